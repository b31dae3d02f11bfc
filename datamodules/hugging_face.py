"""A data set of Hugging Face, by its name or in a folder."""

from typing import Any

from .datamodule import MultiViewDataModule
from .sources.dataset_source import IMAGE_KEYS, LABEL_KEYS, DatasetSource
from .sources.files import FileSource, OnError
from .sources.hugging_face import (
    find_column,
    open_source,
    open_splits,
)
from .sources.image_source import ImageSource
from .sources.libraries import library
from .sources.memory import InMemory, hold, hold_files
from .sources.split_folders import SPLIT_NAMES
from .sources.splits import Splits, complete
from .transforms.ranges import check_choice


class HuggingFaceDataModule(MultiViewDataModule):
    """A data set of Hugging Face: one of the Hub, or a folder of parquet files.

    The library `datasets` opens it (`pip install 'metaug[data]'`), which copies parquet files once
    to its cache, in a form that is read by row. Nothing is opened before `setup`. The workers
    decode images, exactly as the same files in a folder. Labels are used by probes only.

    Args:
        root: Name of the data set on the Hub, or a folder: of parquet files (`train-*.parquet`,
            `data/test-*.parquet`, ...), or one that `save_to_disk` wrote.
        config_name: Configuration of the data set, where it has several.
        train_split: Split to train on.
        val_split: Split to validate on; null takes `validation`, or what is usual for it.
        test_split: Split for the last score; null takes `test`.
        image_column: Column of the images: files, or arrays `[H, W, C]` or `[H, W]`. `auto` takes
            `image`, `img` or another usual name, else the only column of images.
        label_column: Column of the labels, numbers or names. `auto` takes `label` or another usual
            name, else the only column of classes; null leaves labels out.
        val_fraction: Part of the training images of every class to validate on; null takes 0.1 if
            there are labels but no other split.
        in_memory: Decode all images once and keep them. `auto` does so with image files of one
            size that fit 2 GiB; true also resizes them to `image_size`.
        on_error: `raise` stops at an unreadable image file and names it; `skip` goes on without it
            and lists them at the end.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> from metaug.datamodules import HuggingFaceDataModule
        >>> data = HuggingFaceDataModule("data/photos", image_size=64, label_column=None)
        >>> data.train_split, data.image_column  # opened by `setup`
        ('train', 'auto')
    """

    def __init__(
        self,
        root: str,
        *,
        config_name: str | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        image_column: str = "auto",
        label_column: str | None = "auto",
        val_fraction: float | None = None,
        in_memory: InMemory = "auto",
        on_error: OnError = "raise",
        **kwargs: Any,
    ) -> None:
        if not root:
            raise ValueError("root must be the name of a data set, or its folder, got ''.")
        super().__init__(val_fraction=0.0 if val_fraction is None else val_fraction, **kwargs)
        check_choice(in_memory, "in_memory", [True, False, "auto"])
        check_choice(on_error, "on_error", ["raise", "skip"])
        self.root = root
        self.config_name = config_name
        self.train_split = train_split
        self.val_split = val_split
        self.test_split = test_split
        self.image_column = image_column
        self.label_column = label_column
        self.in_memory: InMemory = in_memory
        self.on_error: OnError = on_error
        self._may_hold_out = val_fraction is None

    def prepare_data(self) -> None:
        """Download the data set, and write it to the library's cache, in one process."""
        open_splits(self.root, self.config_name)

    def load(self) -> Splits:
        """Open the splits."""
        splits = open_splits(self.root, self.config_name)
        names = {
            "train": self._split(splits, "train", self.train_split),
            "val": self._split(splits, "val", self.val_split),
            "test": self._split(splits, "test", self.test_split),
        }
        opened = {part: self._open(splits[name]) for part, name in names.items() if name}
        DatasetSource.share_classes([labels for labels, _ in opened.values()])
        sources = {part: self._source(*both) for part, both in opened.items()}
        return complete(
            sources["train"],
            sources.get("val"),
            sources.get("test"),
            may_hold_out=self._may_hold_out,
            seed=self.seed,
        )

    def _split(self, splits: dict[str, Any], part: str, asked: str | None) -> str | None:
        """The split that was asked for; where none was, that of a usual name."""
        if asked is None:
            usual = [name for name in SPLIT_NAMES[part] if name in splits]
            return next((name for name in usual if name != self.train_split), None)
        if asked not in splits:
            raise ValueError(
                f"{part}_split is {asked!r}, but the splits of {self.root} are {list(splits)}"
            )
        return asked

    def _open(self, dataset: Any) -> tuple[DatasetSource, ImageSource]:
        datasets = library("datasets", type(self).__name__)
        arrays = [datasets.Image, datasets.Array2D, datasets.Array3D]
        image = find_column(dataset, self.image_column, IMAGE_KEYS, arrays, "image_column")
        if image is None:
            raise ValueError(
                f"no column of {self.root} is known to hold images; the columns are "
                f"{dataset.column_names}. Set image_column"
            )
        classes = [datasets.ClassLabel]
        label = find_column(dataset, self.label_column, LABEL_KEYS, classes, "label_column")
        return open_source(
            dataset, image, label, channels=self.image_channels, on_error=self.on_error
        )

    def _source(self, labels: DatasetSource, images: ImageSource) -> ImageSource:
        """The images with the classes that all splits share."""
        images.targets, images.class_names = labels.targets, labels.class_names
        if isinstance(images, FileSource):
            return hold_files(images, self.in_memory, self.image_size)
        return (hold(images, self.image_size) or images) if self.in_memory is True else images
