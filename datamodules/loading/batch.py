"""What the loaders yield."""

from typing import NamedTuple

from torch import Tensor


class MultiViewBatch(NamedTuple):
    """A training batch: several random views of the same instances.

    Attributes:
        views: One tensor `[N, C, H, W]` per view; sizes and channels may differ between views.
        target: Class of every instance `[N]`, int64; -1 where there is no label.
        index: Position of every instance in the training set `[N]`, int64.
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
    """

    image: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]


class ImageBatch(NamedTuple):
    """A training batch before augmentation, for views that are made on the device.

    Attributes:
        image: Raw images `[N, C, H, W]`, uint8.
        target: Class of every image `[N]`, int64; -1 where there is no label.
        index: Position of every image in the training set `[N]`, int64.
        seed: Seed of every image's random views `[N]`, int64.
    """

    image: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]
    seed: Tensor
