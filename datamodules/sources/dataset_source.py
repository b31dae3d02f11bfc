"""A source over data sets that other libraries opened: torch and Hugging Face."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Subset

from .decode import to_8_bit
from .image_source import UNLABELED

_IMAGE_KEYS = ("image", "img", "pixel_values", "x")
_LABEL_KEYS = ("label", "labels", "target", "fine_label", "y")


class DatasetSource:
    """Any map-style data set, without its transforms.

    Its items may be images, tuples (image, label, ...) or dictionaries; images may be PIL images,
    arrays `[H, W, C]` or `[H, W]`, or tensors `[C, H, W]`, 8-bit or floats in [0, 1].

    Args:
        dataset: The data set; of Hugging Face, a `Dataset` of one split.
        image_key: Key of the image in a dictionary; null looks for the usual ones.
        label_key: Key of the label in a dictionary; null looks for the usual ones.
        labels: Class of every item `[N]`; null asks the data set (`targets`, `labels`, a column),
            and if it has none, reads it once from end to end.
        channels: 3 for RGB, 1 for gray.

    Examples:
        >>> import numpy as np
        >>> from metaug.datamodules import DatasetSource
        >>> items = [{"img": np.zeros((6, 8, 3), dtype=np.uint8), "label": 1}]
        >>> source = DatasetSource(items)
        >>> source.read([0])[0].shape, source.targets.tolist()
        (torch.Size([3, 6, 8]), [1])
    """

    uniform = False
    unreadable = None

    def __init__(
        self,
        dataset: Any,
        *,
        image_key: str | None = None,
        label_key: str | None = None,
        labels: Sequence[int] | None = None,
        channels: int = 3,
    ) -> None:
        self.dataset = dataset
        self.image_key = image_key
        self.label_key = label_key
        self.channels = channels
        targets = labels if labels is not None else self._labels(dataset)
        if targets is None:
            targets = [self._label_of(dataset[index]) for index in range(len(dataset))]
        self.targets = torch.as_tensor(np.asarray(targets)).to(torch.int64)
        self.class_names = self._class_names()

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        return f"item {index} of {type(self.dataset).__name__}"

    def read(self, indices: Sequence[int]) -> list[Tensor]:
        """Images, a list of `[C, H, W]`, uint8."""
        return [self._pixels(self._image_of(self.dataset[int(i)]), int(i)) for i in indices]

    def _key(self, item: dict[str, Any], given: str | None, usual: Sequence[str]) -> str | None:
        keys = [given] if given is not None else usual
        return next((key for key in keys if key in item), None)

    def _image_of(self, item: Any) -> Any:
        if isinstance(item, dict):
            key = self._key(item, self.image_key, _IMAGE_KEYS)
            if key is None:
                raise ValueError(
                    f"There is no image under {self.image_key or list(_IMAGE_KEYS)} in an item "
                    f"with the keys {list(item)}. Set image_key."
                )
            return item[key]
        return item[0] if isinstance(item, tuple | list) else item

    def _label_of(self, item: Any) -> int:
        if isinstance(item, dict):
            key = self._key(item, self.label_key, _LABEL_KEYS)
            label = None if key is None else item[key]
        else:
            label = item[1] if isinstance(item, tuple | list) and len(item) > 1 else None
        return UNLABELED if label is None else int(label)

    def _labels(self, dataset: Any) -> Any:
        """Labels of a data set that tells them at once, else None."""
        if isinstance(dataset, Subset):
            labels = self._labels(dataset.dataset)
            return None if labels is None else np.asarray(labels)[np.asarray(dataset.indices)]
        columns = getattr(dataset, "column_names", None)
        if columns is not None:
            key = self._key(dict.fromkeys(columns), self.label_key, _LABEL_KEYS)
            return [UNLABELED] * len(dataset) if key is None else list(dataset[key])
        for name in ("targets", "labels"):
            labels = getattr(dataset, name, None)
            if labels is not None and len(labels) == len(dataset):
                return labels
        return None

    def _class_names(self) -> list[str]:
        dataset = self.dataset
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        names = getattr(dataset, "classes", None)
        features = getattr(dataset, "features", None)
        if names is None and isinstance(features, dict):
            key = self._key(features, self.label_key, _LABEL_KEYS)
            names = getattr(features.get(key), "names", None)
        if names is None:
            names = range(int(self.targets.max()) + 1) if len(self.targets) else []
        return [str(name) for name in names]

    def _pixels(self, image: Any, index: int) -> Tensor:
        if isinstance(image, np.ndarray):
            image = torch.from_numpy(image)
            image = image[None] if image.ndim == 2 else image.permute(2, 0, 1)
        if isinstance(image, Tensor):
            return self._channels(self._eight_bit(image, index), index)
        if not isinstance(image, Image.Image):
            raise ValueError(
                f"{self.name(index)} is a {type(image).__name__}, not an image. Items must hold "
                "PIL images, arrays or tensors."
            )
        pixels = torch.from_numpy(np.array(to_8_bit(image, "L" if self.channels == 1 else "RGB")))
        return pixels[None] if self.channels == 1 else pixels.permute(2, 0, 1).contiguous()

    def _eight_bit(self, image: Tensor, index: int) -> Tensor:
        if image.dtype == torch.uint8:
            return image
        if not image.is_floating_point() or image.min() < -1e-3 or image.max() > 1 + 1e-3:
            raise ValueError(
                f"{self.name(index)} has the type {image.dtype} and values from {image.min()} to "
                f"{image.max()}. Tensors must be uint8, or floats in [0, 1]: leave normalization "
                "to the data module."
            )
        return (image * 255).round().clamp(0, 255).to(torch.uint8)

    def _channels(self, image: Tensor, index: int) -> Tensor:
        if image.ndim == 2:
            image = image[None]
        if image.shape[0] == self.channels:
            return image
        if image.shape[0] == 1:
            return image.expand(self.channels, -1, -1)
        raise ValueError(
            f"{self.name(index)} has the shape {list(image.shape)}, but image_channels is "
            f"{self.channels}."
        )
