"""Data sets for loaders: raw images in, batches out.

Both are read a batch at a time (`__getitems__`), so that a batch costs one pass of vectorised work
in the process that makes it, not one Python call chain per image.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..sources.files import read_encoded
from ..sources.image_source import UNLABELED, ImageSource
from ..transforms.geometry import Images
from ..transforms.ranges import check_seed, check_size
from ..transforms.seeding import sample_seeds
from ..views.base import Views
from .batch import ImageBatch, LabelledBatch, MultiViewBatch
from .samplers import PADDING_INDEX, ViewKey

Key = ViewKey | tuple[int, int] | int


def identity_collate(batch: Any) -> Any:
    """Leave a batch as it is: the `collate_fn` of data sets that are read a batch at a time."""
    return batch


def split_keys(keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
    """Epochs and indices `[n]` of pairs (epoch, index); a bare index means epoch 0."""
    pairs = [(0, key) if isinstance(key, int) else key for key in keys]
    epoch, index = torch.tensor(pairs, dtype=torch.int64).unbind(1)
    return epoch, index


def read_or_replace(
    source: ImageSource, index: Tensor, *, encoded: bool = False
) -> tuple[Images, Tensor]:
    """Read images; in place of an unreadable one, the next that can be read.

    Args:
        source: Raw images.
        index: Which ones `[n]`.
        encoded: Leave JPEGs as they are in their files, see `FileSource.read_encoded`.

    Returns:
        The images, and the indices of those that were read `[n]`.
    """
    read = partial(read_encoded, source) if encoded else source.read
    images = read(index.tolist())
    unreadable = source.unreadable
    if unreadable is None or not unreadable[index].any():
        return images, index
    index = index.clone()
    for row in unreadable[index].nonzero()[:, 0].tolist():
        while unreadable[index[row]]:
            if unreadable.all():
                raise ValueError(f"None of the {len(source)} images can be read.")
            index[row] = (index[row] + 1) % len(source)
            images[row] = read([int(index[row])])[0]
            unreadable = source.unreadable
            assert unreadable is not None
    return images, index


class MultiViewDataset(Dataset):
    """Random views of the images of a source.

    The views of an image depend on the seed, the epoch and the image's index, and on nothing else.

    Args:
        source: Raw images.
        views: Makes the views.
        seed: Seed of the views.
        raw: Give the images untouched, with their seeds, for views that are made on the device;
            they must be of one size.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import InMemorySource, MultiViewDataset, SimCLRViews
        >>> source = InMemorySource(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
        >>> dataset = MultiViewDataset(source, SimCLRViews(size=8), seed=1)
        >>> batch = dataset.__getitems__([(0, 2), (0, 3)])  # images 2 and 3 in epoch 0
        >>> batch.views[0].shape, batch.index.tolist()
        (torch.Size([2, 3, 8, 8]), [2, 3])
    """

    def __init__(
        self,
        source: ImageSource,
        views: Views,
        *,
        seed: int = 0,
        raw: bool = False,
    ) -> None:
        check_seed(seed)
        self.source = source
        self.views = views
        self.seed = seed
        self.raw = raw

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, keys: Sequence[Key]) -> MultiViewBatch | ImageBatch:
        """A batch.

        Args:
            keys: Pairs (epoch, index); a bare index means epoch 0.
        """
        epoch, index = split_keys(keys)
        images, index = read_or_replace(self.source, index)
        seeds = sample_seeds(self.seed, epoch, index)
        target = self.source.targets[index]
        if self.raw:
            assert isinstance(images, Tensor)
            return ImageBatch(images, target, index, seeds)
        return MultiViewBatch(self.views(images, seeds), target, index)

    def __getitem__(self, key: Key) -> tuple[list[Tensor], Tensor, Tensor]:
        """The views, the target and the index of one image."""
        epoch, position = (0, key) if isinstance(key, int) else key
        images, index = read_or_replace(self.source, torch.tensor([position]))
        views = self.views(images, sample_seeds(self.seed, epoch, index))
        return [view[0] for view in views], self.source.targets[index[0]], index[0]


class EvaluationDataset(Dataset):
    """The images of a source under the evaluation transform.

    Args:
        source: Raw images.
        views: Whose evaluation transform to use.
        size: Edge of the images in pixels.
        index: Index to report for every image `[N]`; default: its index in the source.
        raw: Give the images untouched, for a transform that is made on the device; they must be of
            one size.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import EvaluationDataset, InMemorySource, SimCLRViews
        >>> source = InMemorySource(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4))
        >>> dataset = EvaluationDataset(source, SimCLRViews(), size=16)
        >>> image, target, index = dataset[2]
        >>> image.shape, int(target), int(index)
        (torch.Size([3, 16, 16]), 2, 2)
    """

    def __init__(
        self,
        source: ImageSource,
        views: Views,
        size: int,
        *,
        index: Tensor | None = None,
        raw: bool = False,
    ) -> None:
        check_size(size, "size")
        self.source = source
        self.views = views
        self.size = size
        self.index = torch.arange(len(source)) if index is None else index
        self.raw = raw

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: Sequence[int]) -> LabelledBatch:
        """A batch, without unreadable images; `PADDING_INDEX` is image 0 without a label."""
        keys = torch.tensor(indices, dtype=torch.int64)
        padding = keys == PADDING_INDEX
        index = keys.masked_fill(padding, 0)
        images = self.source.read(index.tolist())
        if not self.raw:
            images = self.views.evaluate(images, self.size)
        assert isinstance(images, Tensor)
        target = self.source.targets[index].masked_fill(padding, UNLABELED)
        unreadable = self.source.unreadable
        if unreadable is not None and unreadable[index].any():
            good = ~unreadable[index]
            images, index, target = images[good], index[good], target[good]
        return LabelledBatch(images, target, self.index[index])

    def __getitem__(self, index: int) -> LabelledBatch:
        """One image, its target and its index."""
        batch = self.__getitems__([index])
        return LabelledBatch(batch.image[0], batch.target[0], batch.index[0])
