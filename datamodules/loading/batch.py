"""What the loaders yield."""

from typing import NamedTuple

from torch import Tensor

from ..transforms.geometry import Images


class MultiViewBatch(NamedTuple):
    """A training batch: several random views of the same instances.

    Attributes:
        views: One tensor `[N, C, H, W]` per view; sizes and channels may differ between views.
        target: Class of every instance `[N]`, int64; -1 where there is no label.
        index: Position of every instance in the training set `[N]`, int64.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import MultiViewBatch
        >>> views = [torch.rand(4, 3, 32, 32), torch.rand(4, 3, 16, 16)]
        >>> views, target, index = MultiViewBatch(views, torch.full((4,), -1), torch.arange(4))
        >>> len(views), target.tolist()
        (2, [-1, -1, -1, -1])
    """

    views: list[Tensor]
    target: Tensor
    index: Tensor  # type: ignore[assignment]


class LabelledBatch(NamedTuple):
    """An evaluation batch: one untouched image per instance.

    Attributes:
        image: Images `[N, C, H, W]` after the evaluation transform.
        target: Class of every image `[N]`, int64; -1 where there is no label.
        index: Position of every image in its data set `[N]`, int64.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import LabelledBatch
        >>> batch = LabelledBatch(torch.rand(2, 3, 32, 32), torch.tensor([1, 0]), torch.arange(2))
        >>> batch.image.shape, batch.target.tolist()
        (torch.Size([2, 3, 32, 32]), [1, 0])
    """

    image: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]


class ImageBatch(NamedTuple):
    """A training batch before augmentation, for views that are made on the device.

    Attributes:
        image: Raw images, uint8 or in [0, 1]: `[N, C, H, W]`, or a list of `[C, H, W]` of any
            sizes.
        target: Class of every image `[N]`, int64; -1 where there is no label.
        index: Position of every image in the training set `[N]`, int64.
        seed: Seed of every image's random views `[N]`, int64; on the CPU for a list.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import DigitsDataModule
        >>> data = DigitsDataModule(augment_on="device", batch_size=32)
        >>> raw = next(iter(data.train_dataloader()))
        >>> raw.image.dtype, len(raw.seed)
        (torch.uint8, 32)
        >>> batch = data.on_after_batch_transfer(raw, 0)  # Lightning calls it on the device
        >>> len(batch.views)
        2
    """

    image: Images
    target: Tensor
    index: Tensor  # type: ignore[assignment]
    seed: Tensor


class IndexBatch(NamedTuple):
    """A training batch whose images lie on the model's device already.

    Attributes:
        target: Class of every image `[N]`, int64; -1 where there is no label.
        index: Position of every image in the training set `[N]`, int64.
        seed: Seed of every image's random views `[N]`, int64.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import IndexBatch
        >>> batch = IndexBatch(torch.tensor([1, 0]), torch.arange(2), torch.arange(2))
        >>> batch.index.tolist()
        [0, 1]
    """

    target: Tensor
    index: Tensor  # type: ignore[assignment]
    seed: Tensor
