"""What evaluation by training asks of its data: labels, their number, the size of images."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from .labeled import Labeled, read_batch


def read_labeled(batch: Any) -> Labeled:
    """Read a batch that has labels, to train or to score a classifier.

    Args:
        batch: `(image, target)`, `(image, target, index)` or `(views, target, ...)`, of which the
            first view is taken.

    Raises:
        TypeError: If the batch has none of these forms.
    """
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    target = parts[1] if len(parts) > 1 else None
    if not isinstance(target, Tensor) or target.is_floating_point():
        raise TypeError(
            f"evaluation reads batches (image, target), (image, target, index) or (views, target, "
            f"index) with integer targets; the batch is a {type(batch).__name__} of "
            f"{', '.join(type(part).__name__ for part in parts)}. Use LabelledDataModule, or a "
            "loader of such batches"
        )
    if isinstance(parts[0], list | tuple) and parts[0]:
        parts[0] = parts[0][0]
    return read_batch(parts)


def data_num_classes(trainer: pl.Trainer) -> int | None:
    """The number of classes that the data module tells: 0 without labels, None if it does not."""
    return getattr(getattr(trainer, "datamodule", None), "num_classes", None)


def resolve_num_classes(trainer: pl.Trainer, given: int | None) -> int:
    """The number of classes, as given or as the data module tells.

    Args:
        trainer: Has the data module.
        given: The number, or None to ask the data module.

    Raises:
        ValueError: If neither tells, the data have no labels, or the two disagree.
    """
    known = data_num_classes(trainer)
    if known == 0:
        data = getattr(trainer, "datamodule", None)
        raise ValueError(
            f"{type(data).__name__} has no labeled images to evaluate with; give it a folder with "
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
