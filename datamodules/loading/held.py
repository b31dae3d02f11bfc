"""Training images that lie on the model's device, so that loaders send their numbers alone."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..sources.image_source import ImageSource
from ..transforms.ranges import check_seed
from ..transforms.seeding import sample_seeds
from .batch import ImageBatch, IndexBatch
from .dataset import Key, split_keys

_PART = 4  # images may take one part in so many of a device's free memory
_BLOCK = 1024  # images that are copied at once


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU; 0 of other devices, which hold no images."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


class HeldImages:
    """All images of a source, on a device.

    Args:
        source: Images of one size.
        images: The same on the device `[N, C, H, W]`.
    """

    def __init__(self, source: ImageSource, images: Tensor) -> None:
        self.source = source
        self.images = images

    def take(self, batch: IndexBatch) -> ImageBatch:
        """The images of a batch that lies on the same device."""
        return ImageBatch(self.images[batch.index], batch.target, batch.index, batch.seed)


def hold(source: ImageSource, device: torch.device) -> HeldImages | None:
    """Copy a source's images to a device; None if they take over a quarter of its free memory.

    Args:
        source: Images of one size, at least one.
        device: Where to.
    """
    first = source.read([0])[0]
    if len(source) * first.nbytes * _PART > free_memory(device):
        return None
    images = torch.empty(len(source), *first.shape, dtype=first.dtype, device=device)
    for start in range(0, len(source), _BLOCK):
        block = source.read(range(start, min(start + _BLOCK, len(source))))
        images[start : start + len(block)] = torch.as_tensor(block)
    return HeldImages(source, images)


class IndexDataset(Dataset):
    """Which images of a source, and the seeds of their views, for images that are held.

    Args:
        source: The images, all of which have been read once.
        seed: Seed of the views.
    """

    def __init__(self, source: ImageSource, *, seed: int = 0) -> None:
        check_seed(seed)
        self.source = source
        self.seed = seed
        unreadable = source.unreadable
        self.stand_in = None if unreadable is None else next_readable(unreadable)

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, keys: Sequence[Key]) -> IndexBatch:
        """A batch; in place of an unreadable image, the next that can be read."""
        epoch, index = split_keys(keys)
        if self.stand_in is not None:
            index = self.stand_in[index]
        seeds = sample_seeds(self.seed, epoch, index)
        return IndexBatch(self.source.targets[index], index, seeds)


def next_readable(unreadable: Tensor) -> Tensor:
    """Index of every image, or of the next readable one, around the end `[N]`."""
    count = len(unreadable)
    ahead = torch.arange(2 * count).masked_fill(unreadable.repeat(2), 2 * count)
    return ahead.flip(0).cummin(0).values.flip(0)[:count] % count
