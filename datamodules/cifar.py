"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009)."""

from typing import Any

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from .datamodule import MultiViewDataModule
from .sources.image_source import InMemorySource
from .sources.splits import Splits
from .sources.torchvision_sets import open_or_explain


class CIFAR10DataModule(MultiViewDataModule):
    """50,000 training and 10,000 test photos of 32 x 32 pixels in 10 classes, held in memory.

    Validation is on the test split, as in published tables, unless `val_fraction` is set.

    Args:
        root: Folder that holds the data or receives the download.
        image_size: Edge of views and evaluation images in pixels.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> from metaug.datamodules import CIFAR10DataModule
        >>> data = CIFAR10DataModule("data", batch_size=256)  # `prepare_data` downloads
        >>> data.num_views, data.image_size
        (2, 32)
    """

    data_set: type[CIFAR10] = CIFAR10
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)

    def __init__(self, root: str = "data", *, image_size: int = 32, **kwargs: Any) -> None:
        super().__init__(image_size=image_size, **kwargs)
        self.root = root

    def prepare_data(self) -> None:
        """Download the data if they are missing."""
        self._open(train=False)  # both parts are checked, the smaller one read

    def load(self) -> Splits:
        """Read the data into memory."""
        test = self._source(train=False)
        return Splits(train=self._source(train=True), val=test, test=test)

    def _open(self, train: bool) -> CIFAR10:
        return open_or_explain(
            lambda download: self.data_set(self.root, train=train, download=download),
            root=self.root,
            url=self.data_set.url,
            archive=self.data_set.filename,
        )

    def _source(self, train: bool) -> InMemorySource:
        data = self._open(train)
        images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        return InMemorySource(images, torch.tensor(data.targets), data.classes)


class CIFAR100DataModule(CIFAR10DataModule):
    """50,000 training and 10,000 test photos of 32 x 32 pixels in 100 classes, held in memory.

    Arguments as for `CIFAR10DataModule`.

    Examples:
        >>> from metaug.datamodules import CIFAR100DataModule
        >>> CIFAR100DataModule("data", labels_per_class=5).mean
        (0.5071, 0.4865, 0.4409)
    """

    data_set = CIFAR100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
