"""Shards of WebDataset: tar files of images."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .datamodule import MultiViewDataModule
from .loading.samplers import TrainSampler
from .loading.shard_order import ShardOrder
from .sources.files import FileSource, OnError
from .sources.image_source import ImageSource, SubsetSource
from .sources.labels import encode, find_classes, read_labels
from .sources.shard_index import open_shards
from .sources.shards import ShardImages, expand, find_shards
from .sources.splits import Splits, complete
from .transforms.ranges import check, check_choice


class WebDatasetDataModule(MultiViewDataModule):
    """Images in shards: tar files as the library `webdataset` writes them.

    The shards lie in a file system, uncompressed (`pip install 'metaug[data]'`). They are looked
    through once, and the index kept beside them; from then on an image is read by its place.
    So an epoch takes every image exactly once (but for what does not fill a batch of all
    processes), on any number of processes and workers, in an order that depends on `seed` and
    epoch alone; a resumed run goes on with the next image, and reads none of those before. An
    image's index is its place in the shards in order.

    Args:
        shards: Folder of the shards, named after their splits (`train-000.tar`, `val-000.tar`, or
            `val/000.tar`), or the training shards by name, `FOLDER/train-{000000..000009}.tar`.
        val_shards: Validation shards by name; null takes those of the folder.
        test_shards: Test shards by name; null takes those of the folder.
        image_key: Ending of the images; `auto` takes the first of each sample that Pillow opens.
        label_key: Ending of the labels, whose content is a number or a name. `auto` takes `cls` if
            there is one; null leaves labels out.
        num_samples: Training images that there must be; null takes what there is.
        shuffle_buffer: An epoch takes the shards in a random order and moves every image in it by
            fewer places than this, so that reads stay near each other; it costs no memory. Null
            shuffles all images, as other data modules do.
        val_fraction: Part of the training images of every class to validate on; null takes 0.1 if
            there are labels but no other shards.
        on_error: `raise` stops at an unreadable image and names it; `skip` goes on without it and
            lists them at the end.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> from metaug.datamodules import WebDatasetDataModule
        >>> data = WebDatasetDataModule("data/photos/train-{000..099}.tar", num_samples=100_000)
        >>> data.shuffle_buffer  # opened by `setup`
        16384
    """

    def __init__(
        self,
        shards: str,
        *,
        val_shards: str | None = None,
        test_shards: str | None = None,
        image_key: str = "auto",
        label_key: str | None = "auto",
        num_samples: int | None = None,
        shuffle_buffer: int | None = 16384,
        val_fraction: float | None = None,
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        if not shards:
            raise ValueError("shards must be a folder of .tar files, or their names, got ''")
        super().__init__(val_fraction=0.0 if val_fraction is None else val_fraction, **kwargs)
        for name, value in (("num_samples", num_samples), ("shuffle_buffer", shuffle_buffer)):
            check(value, name, at_least=1, at_most=2**40, whole=True, optional=True)
        check_choice(on_error, "on_error", ["raise", "skip"])
        self.shards = shards
        self.val_shards = val_shards
        self.test_shards = test_shards
        self.image_key = image_key
        self.label_key = label_key
        self.num_samples = num_samples
        self.shuffle_buffer = shuffle_buffer
        self.on_error: OnError = on_error
        self._may_hold_out = val_fraction is None

    def prepare_data(self) -> None:
        """Make the index of the shards, in one process."""
        for paths in self._paths().values():
            open_shards(paths, self.image_key, self.label_key)

    def load(self) -> Splits:
        """Read the index of the shards."""
        images = {
            split: open_shards(paths, self.image_key, self.label_key)
            for split, paths in self._paths().items()
        }
        count = len(images["train"])
        if self.num_samples not in (None, count):
            raise ValueError(
                f"num_samples is {self.num_samples}, but the {len(images['train'].paths)} training "
                f"shards hold {count} images"
            )
        labels = {
            split: read_labels(list(map(_label, shards.labels)), f"the {split} shards")
            for split, shards in images.items()
        }
        classes, names = find_classes({label for part in labels.values() for label in part}, None)
        sources = {
            split: FileSource(
                shards,
                encode(labels[split], classes),
                names,
                channels=self.image_channels,
                on_error=self.on_error,
            )
            for split, shards in images.items()
        }
        return complete(
            sources["train"],
            sources.get("val"),
            sources.get("test"),
            may_hold_out=self._may_hold_out,
            seed=self.seed,
        )

    def _paths(self) -> dict[str, list[Path]]:
        asked = {"val": self.val_shards, "test": self.test_shards}
        named = {split: expand(shards) for split, shards in asked.items() if shards}
        return {**find_shards(self.shards), **named}

    def train_dataloader(self) -> DataLoader:
        """As for `MultiViewDataModule`, in the order of the shards."""
        loader = super().train_dataloader()
        assert isinstance(loader.sampler, TrainSampler)
        if self.shuffle_buffer is not None:
            shards = shard_of_each(self.splits.train)
            loader.sampler.order = ShardOrder(shards, self.shuffle_buffer)
        return loader

    def state_dict(self) -> dict[str, int]:
        """What the order of images depends on, for the checkpoint."""
        return {**super().state_dict(), "shuffle_buffer": self.shuffle_buffer or 0}


def shard_of_each(source: ImageSource) -> Tensor:
    """Number of the shard of every image `[N]`, int64, of shards or a part of them."""
    indices = torch.arange(len(source))
    while isinstance(source, SubsetSource):
        indices, source = source.indices[indices], source.source
    assert isinstance(source, FileSource)
    assert isinstance(source.paths, ShardImages)
    return torch.from_numpy(source.paths.shard)[indices]


def _label(text: str) -> int | str:
    """A label as a number, where it is one."""
    return int(text) if text.lstrip("-").isdecimal() else text
