"""A source over data sets that other libraries opened: torch and Hugging Face."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from ..transforms.ranges import check
from .labels import encode, find_classes, read_labels
from .pixels import ValueRange, check_value_range, pixels_of, scale

IMAGE_KEYS = ("image", "img", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "target", "fine_label", "y")


class DatasetSource:
    """Any map-style data set, without its transforms.

    Its items may be images, tuples (image, label, ...) or dictionaries; images may be PIL images,
    arrays `[H, W, C]` or `[H, W]`, or tensors `[C, H, W]`, of 8 bits, 16 bits, or floats in
    [0, 1]; what has more than 8 bits is read as floats.

    Args:
        dataset: The data set; of Hugging Face, a `Dataset` of one split.
        image_key: Key of the image in a dictionary; null looks for the usual ones.
        label_key: Key of the label in a dictionary; null looks for the usual ones.
        labels: Label of every item `[N]`, a number or a name; null asks the data set (`targets`,
            `labels`, a column), and if it has none, reads it once from end to end.
        channels: 3 for RGB, 1 for gray; others for items that are tensors or arrays.
        value_range: The values of black and white in images of more than 8 bits; see `read_image`.

    Attributes:
        labels: Label of every item as the data set has it; None where there is none.
        classes: The labels of the classes 0, 1, 2, ...

    Raises:
        ValueError: If it cannot be read by index, or its labels are no classes.

    Examples:
        >>> import numpy as np
        >>> from metaug.datamodules import DatasetSource
        >>> items = [{"img": np.zeros((6, 8, 3), dtype=np.uint8), "label": 1}]
        >>> source = DatasetSource(items)
        >>> source.read([0])[0].shape, source.targets.tolist()
        (torch.Size([3, 6, 8]), [0])
        >>> source.class_names
        ['1']
    """

    targets: Tensor
    class_names: list[str]
    classes: list[int | str]
    uniform = False
    unreadable = None

    def __init__(
        self,
        dataset: Any,
        *,
        image_key: str | None = None,
        label_key: str | None = None,
        labels: Any = None,
        channels: int = 3,
        value_range: ValueRange = None,
    ) -> None:
        check(channels, "channels", at_least=1, whole=True)
        check_value_range(value_range)
        check_readable(dataset)
        self.dataset = dataset
        self.image_key = image_key
        self.label_key = label_key
        self.channels = channels
        self.value_range = value_range
        labels = labels if labels is not None else self._labels(dataset)
        if labels is None:
            labels = [self._label_of(dataset[index]) for index in range(len(dataset))]
        self.labels = read_labels(labels, type(dataset).__name__)
        if len(self.labels) != len(dataset):
            raise ValueError(f"there are {len(self.labels)} labels for {len(dataset)} items.")
        self.share_classes([self])

    @staticmethod
    def share_classes(sources: Sequence["DatasetSource"]) -> None:
        """Number the classes of several sources, such as the splits of a data set, alike."""
        names = next((names for source in sources if (names := source._names()) is not None), None)
        labels = {label for source in sources for label in source.labels}
        for source in sources:
            source.classes, source.class_names = find_classes(labels, names)
            source.targets = encode(source.labels, source.classes)

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        return f"item {index} of {type(self.dataset).__name__}"

    def read(self, indices: Sequence[int]) -> list[Tensor]:
        """Images, a list of `[C, H, W]`, uint8 or float32 in [0, 1]."""
        return [self._pixels(self._image_of(self.dataset[int(i)]), int(i)) for i in indices]

    def _key(self, item: dict[str, Any], given: str | None, usual: Sequence[str]) -> str | None:
        keys = [given] if given is not None else usual
        return next((key for key in keys if key in item), None)

    def _image_of(self, item: Any) -> Any:
        if isinstance(item, dict):
            key = self._key(item, self.image_key, IMAGE_KEYS)
            if key is None:
                raise ValueError(
                    f"There is no image under {self.image_key or list(IMAGE_KEYS)} in an item "
                    f"with the keys {list(item)}. Set image_key."
                )
            return item[key]
        return item[0] if isinstance(item, tuple | list) else item

    def _label_of(self, item: Any) -> Any:
        if isinstance(item, dict):
            key = self._key(item, self.label_key, LABEL_KEYS)
            return None if key is None else item[key]
        return item[1] if isinstance(item, tuple | list) and len(item) > 1 else None

    def _labels(self, dataset: Any) -> Any:
        """Labels of a data set that tells them at once, else None."""
        if isinstance(dataset, Subset):
            labels = self._labels(dataset.dataset)
            return None if labels is None else [labels[int(index)] for index in dataset.indices]
        columns = getattr(dataset, "column_names", None)
        if columns is not None:
            key = self._key(dict.fromkeys(columns), self.label_key, LABEL_KEYS)
            return [None] * len(dataset) if key is None else list(dataset[key])
        for name in ("targets", "labels"):
            labels = getattr(dataset, name, None)
            if labels is not None and len(labels) == len(dataset):
                return labels
        return None

    def _names(self) -> Sequence[Any] | None:
        """What the data set calls its classes, if it says."""
        dataset = self.dataset
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        names = getattr(dataset, "classes", None)
        features = getattr(dataset, "features", None)
        if names is None and isinstance(features, dict):
            key = self._key(features, self.label_key, LABEL_KEYS)
            names = getattr(features.get(key), "names", None)
        return names

    def _pixels(self, image: Any, index: int) -> Tensor:
        if isinstance(image, np.ndarray | Tensor):
            is_array = isinstance(image, np.ndarray)
            image = torch.as_tensor(image)
            if image.ndim not in (2, 3) or not image.numel():
                raise ValueError(
                    f"{self.name(index)} has the shape {list(image.shape)}, which is no image."
                )
            if image.ndim == 2:
                image = image[None]
            elif is_array:
                image = image.permute(2, 0, 1)
            return self._channels(self._scaled(image, index), index)
        if not isinstance(image, Image.Image):
            raise ValueError(
                f"{self.name(index)} is a {type(image).__name__}, not an image. Items must hold "
                "PIL images, arrays or tensors."
            )
        try:
            return pixels_of(image, self.channels, self.value_range)
        except ValueError as error:
            raise ValueError(f"{self.name(index)} cannot be read: {error}.") from error

    def _scaled(self, image: Tensor, index: int) -> Tensor:
        if image.is_floating_point():
            image = image.to(torch.float32)
        try:
            return torch.from_numpy(scale(image.cpu().numpy(), self.value_range))
        except ValueError as error:
            raise ValueError(
                f"{self.name(index)} cannot be read: {error}. Tensors must be uint8, uint16, or "
                "floats in [0, 1]; leave normalization to the data module."
            ) from error

    def _channels(self, image: Tensor, index: int) -> Tensor:
        if image.shape[0] == self.channels:
            return image
        if image.shape[0] == 1:
            return image.expand(self.channels, -1, -1)
        raise ValueError(
            f"{self.name(index)} has the shape {list(image.shape)}, but image_channels is "
            f"{self.channels}."
        )


def check_readable(dataset: Any) -> None:
    """Refuse what is not a data set of one split that is read by index.

    Raises:
        ValueError: If it is not.
    """
    kind = type(dataset).__name__
    iterable = isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__")
    if isinstance(dataset, str | bytes | Path):
        raise ValueError(
            f"The data set is the path {str(dataset)!r}. Open it first, or use "
            "ImageFolderDataModule for a folder of images."
        )
    if isinstance(dataset, dict):
        raise ValueError(
            f"The data set is a {kind} with the keys {list(dataset)[:5]}. Give one of its parts."
        )
    if isinstance(dataset, DataLoader):
        raise ValueError("The data set is a DataLoader. Give its `dataset`: loaders are made here.")
    if iterable or not hasattr(dataset, "__len__"):
        raise ValueError(
            f"{kind} is an iterable data set, but images are read by index. Give one with a length "
            "and `__getitem__`: `list(dataset)` if it fits in memory, or load it without streaming."
        )
