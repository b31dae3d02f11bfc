"""Any data set of torch or Hugging Face, from Python."""

from typing import Any

from .datamodule import MultiViewDataModule
from .sources.dataset_source import DatasetSource, check_readable
from .sources.image_source import ImageSource
from .sources.memory import hold
from .sources.pixels import ValueRange, check_value_range
from .sources.splits import Splits
from .transforms.ranges import check_choice


class DatasetDataModule(MultiViewDataModule):
    """Any torch or Hugging Face data set, handed in from Python.

    Give the data sets without transforms: views are made here.

    Args:
        train: What to train on; labels are used by probes only.
        val: Labeled images on which probes are scored while training.
        test: Labeled images for the last score; null takes `val`.
        bank: Labeled images for probes, if other than those of `train`.
        image_key: Key of the image, where items are dictionaries; null looks for the usual ones.
        label_key: Key of the label, where items are dictionaries; null looks for the usual ones.
        in_memory: True decodes all images once, resizes them to `image_size` and keeps them.
        value_range: The values of black and white in images of more than 8 bits; null takes 0 and
            65535 for 16 bits, 0 and 1 for floats.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from metaug.datamodules import DatasetDataModule
        >>> train = TensorDataset(torch.rand(8, 3, 16, 16), torch.arange(8) % 2)
        >>> data = DatasetDataModule(train, image_size=16, batch_size=4, num_workers=0)
        >>> data.setup("fit")
        >>> data.num_instances, data.num_classes, len(data.train_dataloader())
        (8, 2, 2)
    """

    def __init__(
        self,
        train: Any,
        val: Any = None,
        test: Any = None,
        bank: Any = None,
        *,
        image_key: str | None = None,
        label_key: str | None = None,
        in_memory: bool = False,
        value_range: ValueRange = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice(in_memory, "in_memory", [True, False])
        for name, dataset in (("train", train), ("bank", bank), ("val", val), ("test", test)):
            if dataset is not None or name == "train":
                check_readable(dataset)
        self.datasets = {"train": train, "bank": bank, "val": val, "test": test}
        self.image_key = image_key
        self.label_key = label_key
        self.in_memory = in_memory
        self.value_range = check_value_range(value_range)

    def load(self) -> Splits:
        """Wrap the data sets."""
        opened = {
            name: self._source(data) for name, data in self.datasets.items() if data is not None
        }
        DatasetSource.share_classes(list(opened.values()))
        sources = {name: self._held(source) for name, source in opened.items()}
        val = sources.get("val", sources.get("test"))
        test = sources.get("test", val)
        return Splits(train=sources["train"], bank=sources.get("bank"), val=val, test=test)

    def _source(self, dataset: Any) -> DatasetSource:
        return DatasetSource(
            dataset,
            image_key=self.image_key,
            label_key=self.label_key,
            channels=self.image_channels,
            value_range=self.value_range,
        )

    def _held(self, source: DatasetSource) -> ImageSource:
        return (hold(source, self.image_size) or source) if self.in_memory else source
