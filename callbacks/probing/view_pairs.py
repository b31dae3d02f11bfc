"""Two views of held-out images, the same in every evaluation and every run."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from metaug.datamodules.loading.dataset import identity_collate
from metaug.datamodules.sources.image_source import ImageSource
from metaug.datamodules.transforms.geometry import Images
from metaug.datamodules.transforms.seeding import sample_seeds
from metaug.datamodules.views.base import Views
from metaug.lightning_modules.distributed.collectives import rank, world_size
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class ViewPair(NamedTuple):
    """The first two views of images.

    Attributes:
        first: `[N, C, H, W]`.
        second: `[N, C, H, W]`.
        index: Position of each image in its source, `[N]`.
    """

    first: Tensor
    second: Tensor
    index: Tensor  # type: ignore[assignment]


class ViewPairs(Dataset):
    """Two views of each image of a source: a fixed function of its index and the seed.

    Args:
        source: Raw images.
        views: Makes the views, of which the first two are taken.
        seed: Seed of the views.
        raw: Give the images untouched, for views that are made on the device.
    """

    def __init__(self, source: ImageSource, views: Views, *, seed: int, raw: bool = False) -> None:
        self.source = source
        self.views = views
        self.seed = seed
        self.raw = raw

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: Sequence[int]) -> ViewPair | tuple[Images, Tensor]:
        """A batch, without unreadable images."""
        index = torch.tensor(indices, dtype=torch.int64)
        images = self.source.read(indices)
        unreadable = self.source.unreadable
        if unreadable is not None and unreadable[index].any():
            good = (~unreadable[index]).nonzero()[:, 0].tolist()
            images = images[good] if isinstance(images, Tensor) else [images[row] for row in good]
            index = index[good]
        return (images, index) if self.raw else self.of(images, index)

    def of(self, images: Images, index: Tensor) -> ViewPair:
        """The views of images.

        Args:
            images: uint8 images, `[N, C, H, W]` or a list of `[C, H, W]`.
            index: Position of each in the source, `[N]`, on the device of a tensor of images.
        """
        if len(index) == 0:
            nothing = torch.zeros(0)
            return ViewPair(nothing, nothing, index)
        first, second, *_ = self.views(images, sample_seeds(self.seed, 0, index))
        return ViewPair(first, second, index)

    def problem(self) -> str | None:
        """Why the representation of the views cannot be compared; None if it can."""
        views = type(self.views).__name__
        if self.views.num_views < 2:
            return f"{views} makes one view of each image"
        images = self.source.read([0])
        first, second, _ = self.of(images, torch.zeros(1, dtype=torch.int64))
        image = self.views.evaluate(images, self.views.view_size(0))
        if first.shape != second.shape:
            one, other = (list(view.shape[1:]) for view in (first, second))
            return f"the first two views of {views} differ in shape, {one} and {other}"
        if first.shape[1] != image.shape[1]:
            return (
                f"the views of {views} have {first.shape[1]} channels, the images that the "
                f"representation is of {image.shape[1]}"
            )
        return None


def read_view_pairs(
    pairs: ViewPairs, most: int, *, batch_size: int, num_workers: int, device: torch.device
) -> Iterator[ViewPair]:
    """This process's share of at most `most` images, evenly spaced over the source, on a device.

    Args:
        pairs: The images.
        most: Greatest number of images, over all processes.
        batch_size: Images in a batch.
        num_workers: Processes that read them.
        device: Where the views are wanted, and made if they can be.
    """
    count = min(len(pairs), most)
    chosen = [row * len(pairs) // count for row in range(count)][rank() :: world_size()]
    on_device = device.type != "cpu" and pairs.source.uniform and pairs.views.in_batches
    dataset = ViewPairs(pairs.source, pairs.views, seed=pairs.seed, raw=on_device)
    loader: Any = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=chosen,
        num_workers=num_workers if chosen else 0,
        collate_fn=identity_collate,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # leaves the global random state alone
    )
    for batch in loader:
        moved = [part.to(device, non_blocking=device.type == "cuda") for part in batch]
        pair = dataset.of(*moved) if on_device else ViewPair(*moved)
        if len(pair.index):
            yield pair
