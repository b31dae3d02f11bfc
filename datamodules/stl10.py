"""STL-10 (Coates, Ng, Lee, AISTATS 2011)."""

from typing import Any, Literal

import torch
from torchvision.datasets import STL10

from .datamodule import MultiViewDataModule
from .sources.image_source import InMemorySource
from .sources.splits import Splits
from .sources.torchvision_sets import open_or_explain
from .transforms.ranges import check_choice


class STL10DataModule(MultiViewDataModule):
    """100,000 unlabeled photos of 96 x 96 pixels to train on; 5,000 and 8,000 labeled for probes.

    The bank of the probes is the labeled training split, validation and test the test split. All
    are held in memory (2.8 GB per process).

    Args:
        root: Folder that holds the data or receives the download.
        train_split: What to train on, without its labels.
        image_size: Edge of views and evaluation images in pixels.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> from metaug.datamodules import STL10DataModule
        >>> data = STL10DataModule("data", batch_size=256)  # `prepare_data` downloads
        >>> data.train_split, data.image_size
        ('unlabeled', 96)
    """

    mean = (0.4467, 0.4398, 0.4066)
    std = (0.2603, 0.2566, 0.2713)

    def __init__(
        self,
        root: str = "data",
        *,
        train_split: Literal["unlabeled", "train+unlabeled"] = "unlabeled",
        image_size: int = 96,
        **kwargs: Any,
    ) -> None:
        check_choice(train_split, "train_split", ["unlabeled", "train+unlabeled"])
        super().__init__(image_size=image_size, **kwargs)
        self.root = root
        self.train_split = train_split

    def prepare_data(self) -> None:
        """Download the data if they are missing."""
        self._open("test")

    def load(self) -> Splits:
        """Read the data into memory."""
        test = self._source("test")
        bank = self._source("train")
        return Splits(train=self._source(self.train_split), bank=bank, val=test, test=test)

    def _open(self, split: str) -> STL10:
        return open_or_explain(
            lambda download: STL10(self.root, split=split, download=download),
            root=self.root,
            url=STL10.url,
            archive=STL10.filename,
        )

    def _source(self, split: str) -> InMemorySource:
        data = self._open(split)
        return InMemorySource(
            torch.from_numpy(data.data), torch.as_tensor(data.labels).long(), data.classes
        )
