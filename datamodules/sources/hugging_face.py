"""Data sets of Hugging Face: opening them, and the image files and labels in their columns."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .dataset_source import DatasetSource
from .decode import UnreadableImageError
from .files import FileSource, OnError
from .image_source import ImageSource
from .labels import read_labels
from .libraries import library
from .stored_images import StoredImages


def open_splits(root: str, config_name: str | None) -> dict[str, Any]:
    """All splits of a data set, by name.

    Args:
        root: Name on the Hugging Face Hub, a folder of files that the library reads (parquet, ...),
            or a folder that its `save_to_disk` wrote.
        config_name: Configuration of the data set; null for its only one.

    Raises:
        ValueError: If there is no such configuration.
        OSError: If there is no such data set, or it cannot be read.
    """
    datasets = library("datasets", "HuggingFaceDataModule")
    unreadable = library("pyarrow", "HuggingFaceDataModule").ArrowException
    folder = Path(root).expanduser()
    saved = [folder / name for name in ("dataset_dict.json", "state.json")]
    try:
        if any(path.is_file() for path in saved):
            opened = datasets.load_from_disk(str(folder))
        else:
            opened = datasets.load_dataset(str(folder) if folder.exists() else root, config_name)
    except (OSError, datasets.exceptions.DatasetsError, unreadable) as error:
        where = (
            f"the folder {folder}, which holds no data that the library knows"
            if folder.is_dir()
            else f"{root!r}, which is no folder here, and no data set that the Hub gives now"
        )
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise OSError(
            f"the library datasets cannot open {where}: {reason}. Set data.root to "
            "a folder of parquet files, or to the name of a data set on the Hub."
        ) from error
    return dict(opened) if isinstance(opened, dict) else {"train": opened}


def find_column(
    dataset: Any, asked: str | None, usual: Sequence[str], kinds: Iterable[type], argument: str
) -> str | None:
    """A column by its name; by `auto` one of a usual name, else the only one of some kinds.

    Args:
        dataset: A split.
        asked: The name, or `auto`; null for none.
        usual: Names to look for.
        kinds: Features to look for.
        argument: What to call `asked` in a message.

    Raises:
        ValueError: If there is no column of the name.
    """
    columns = dataset.features
    if asked is None or asked in columns:
        return asked
    if asked != "auto":
        raise ValueError(f"{argument} is {asked!r}, but the columns are {_listed(columns)}")
    by_name = next((name for name in usual if name in columns), None)
    by_kind = [name for name, feature in columns.items() if isinstance(feature, tuple(kinds))]
    return by_name or (by_kind[0] if len(by_kind) == 1 else None)


def open_source(
    dataset: Any, image: str, label: str | None, *, channels: int, on_error: OnError
) -> tuple[DatasetSource, ImageSource]:
    """The images of a split, without reading any of them.

    Args:
        dataset: The split.
        image: Column of the images.
        label: Column of the labels; null for none.
        channels: Channels of the images.
        on_error: As for `FileSource`.

    Returns:
        The split as a `DatasetSource`, whose classes other splits may share, and as what reads the
        images: files where the column holds files, so that they are decoded as those of a folder.
    """
    labels = [None] * len(dataset) if label is None else read_column(dataset, label)
    source = DatasetSource(
        dataset.with_format("numpy", columns=[image], dtype=_values(dataset.features[image])),
        image_key=image,
        label_key=label or "",
        labels=read_labels(labels, f"the column {label!r}"),
        channels=channels,
    )
    files = files_of(dataset, image)
    return source, source if files is None else FileSource(
        files, channels=channels, on_error=on_error
    )


def _values(feature: Any) -> str | None:
    """The type of the values of an array, which else become 64 bits wide."""
    while hasattr(feature, "feature"):  # lists of lists
        feature = feature.feature
    return getattr(feature, "dtype", None)


def read_column(dataset: Any, column: str) -> list[Any]:
    """All labels of a column, as plain values.

    Raises:
        ValueError: If the column holds no classes.
    """
    datasets = library("datasets", "HuggingFaceDataModule")
    feature = dataset.features[column]
    if not isinstance(feature, datasets.ClassLabel | datasets.Value):
        raise ValueError(
            f"label_column is {column!r}, which holds {feature!r}: not one class per image, as a "
            f"number or a name. The columns are {_listed(dataset.features)}; null trains without "
            "labels"
        )
    return dataset.select_columns([column]).with_format("arrow")[:][column].to_pylist()


def files_of(dataset: Any, column: str) -> "StoredFiles | None":
    """The image files of a column; None where it holds arrays.

    Raises:
        ValueError: If it holds neither.
    """
    datasets = library("datasets", "HuggingFaceDataModule")
    feature = dataset.features[column]
    if isinstance(feature, datasets.Image):
        return StoredFiles(dataset.cast_column(column, datasets.Image(decode=False)), column)
    if isinstance(feature, dict) and "bytes" in feature:
        return StoredFiles(dataset, column)
    if getattr(feature, "dtype", None) in ("binary", "large_binary"):
        return StoredFiles(dataset, column)
    if isinstance(feature, datasets.Array2D | datasets.Array3D | datasets.List):
        return None
    raise ValueError(
        f"image_column is {column!r}, which holds {feature!r}: no images. The columns are "
        f"{_listed(dataset.features)}"
    )


def _listed(columns: dict[str, Any]) -> str:
    kinds = [f"{name} ({type(feature).__name__})" for name, feature in columns.items()]
    return ", ".join(kinds)


class StoredFiles(StoredImages):
    """The image files of a column: bytes, `{"bytes": ..., "path": ...}`, or paths alone.

    Args:
        dataset: A split, whose images are not decoded.
        column: The column.
    """

    def __init__(self, dataset: Any, column: str) -> None:
        self.dataset = dataset.select_columns([column]).with_format(None)
        self.column = column

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, place: int) -> str:
        """The number of the row."""
        return f"in row {place} of the column {self.column!r}"

    def read_bytes(self, place: int) -> bytes:
        """The bytes of a file.

        Raises:
            UnreadableImageError: If the row has none.
        """
        value = self.dataset[place][self.column]
        if isinstance(value, bytes):
            return value
        if value and value["bytes"] is not None:
            return value["bytes"]
        if value and value.get("path"):
            return Path(value["path"]).read_bytes()
        raise UnreadableImageError(
            f"There is no image {self.name(place)}. Remove the row, or set on_error: skip to go on "
            "without it."
        )
