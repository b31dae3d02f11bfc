"""What evaluation by training asks of its data."""

from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor


class LabelledImages(NamedTuple):
    """A batch of images (or of their features) with labels.

    Attributes:
        image: ``[N, C, H, W]``, or features ``[N, F]``.
        target: Class of every image ``[N]``; -1 where there is no label.
        index: Position of every image in its data set ``[N]``; -1 where it is not known.
    """

    image: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]

    def labelled(self) -> "LabelledImages":
        """The part that has labels."""
        return LabelledImages(*(column[self.target >= 0] for column in self))


def read_labelled(batch: Any) -> LabelledImages:
    """Read a batch.

    Args:
        batch: ``(image, target)``, ``(image, target, index)`` or ``(views, target, ...)``, of which
            the first view is taken.

    Raises:
        TypeError: If the batch has none of these forms.
    """
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    image = parts[0][0] if isinstance(parts[0], list | tuple) and parts[0] else parts[0]
    target = parts[1] if len(parts) > 1 else None
    if not isinstance(image, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"evaluation reads batches (image, target), (image, target, index) or (views, target, "
            f"index); the batch is a {type(batch).__name__} of "
            f"{', '.join(type(part).__name__ for part in parts)}. Use LabelledDataModule, or a "
            "loader of such batches"
        )
    index = parts[2] if len(parts) > 2 else None
    if not isinstance(index, Tensor) or index.shape != target.shape:
        index = torch.full_like(target, -1)
    return LabelledImages(image, target.long(), index.long())


def count_classes(trainer: pl.Trainer, given: int | None) -> int:
    """The number of classes, as given or as the data module tells.

    Args:
        trainer: Has the data module.
        given: The number, or None to ask the data module.

    Raises:
        ValueError: If neither tells, the data have no labels, or the two disagree.
    """
    data: Any = getattr(trainer, "datamodule", None)
    known: Any = getattr(data, "num_classes", None)
    if known == 0:
        raise ValueError(
            f"{type(data).__name__} has no labelled images to evaluate with; give it a folder with "
            "one sub-folder per class, or another data set"
        )
    if given is None:
        if known is None:
            raise ValueError(
                "the number of classes is not known: the data module has no num_classes; set the "
                "model's num_classes"
            )
        return int(known)
    if known is not None and given < known:
        raise ValueError(
            f"num_classes={given}, but the data have {known} classes; set num_classes to null to "
            "take what the data say"
        )
    return given


def image_shape(trainer: pl.Trainer) -> tuple[int, int, int]:
    """C, H and W of the data module's images; those of small RGB images if it does not tell."""
    data = getattr(trainer, "datamodule", None)
    size = getattr(data, "image_size", 32)
    return getattr(data, "image_channels", 3), size, size
