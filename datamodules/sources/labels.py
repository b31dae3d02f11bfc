"""Labels of any form as classes 0, 1, 2, ..."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .image_source import UNLABELED

_FIX = "Give one class per image, as whole numbers or names, and -1 or null for no label"


def read_labels(labels: Any, name: str) -> list[int | str | None]:
    """One label per image, whatever holds them; None where there is none.

    Args:
        labels: Numbers or names `[N]` or `[N, 1]`, in a list, an array, a tensor or a column.
        name: What to call the data set in a message.

    Raises:
        ValueError: If an image has several labels, or one that is no class.
    """
    if isinstance(labels, Tensor):
        labels = labels.cpu().numpy()
    values = [_plain(label, name) for label in labels]
    numbers = {value for value in values if isinstance(value, int)}
    if numbers and any(isinstance(value, str) for value in values):
        raise ValueError(f"The labels of {name} are numbers and names. {_FIX}.")
    if numbers == {-1, 1}:
        raise ValueError(
            f"The labels of {name} are -1 and 1, and -1 stands for no label. Make them 0 and 1."
        )
    if numbers and min(numbers) < UNLABELED:
        raise ValueError(f"The labels of {name} go down to {min(numbers)}. {_FIX}.")
    return [None if value == UNLABELED else value for value in values]


def _plain(label: Any, name: str) -> int | str | None:
    """A label as a plain number or name."""
    if isinstance(label, Tensor | np.ndarray | list | tuple):
        array = np.asarray(label)
        if array.size != 1:
            raise ValueError(
                f"{name} has labels of shape {list(array.shape)} per image: they are multi-label "
                f"or one-hot. {_FIX}; for one-hot labels, `labels.argmax(1)`."
            )
        label = array.reshape(-1)[0]
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or label == "" or label != label:  # NaN: missing in a table
        return None
    if isinstance(label, str):
        return label
    if isinstance(label, bool | int | float) and float(label).is_integer():
        return int(label)
    raise ValueError(f"{name} has the label {label!r}, which is no class. {_FIX}.")


def find_classes(
    labels: Iterable[int | str | None], names: Sequence[Any] | None
) -> tuple[list[int | str], list[str]]:
    """The classes that labels stand for, and what they are called.

    Args:
        labels: Labels of all images of all splits.
        names: What the data set calls its classes, if it does: numbers are places in it, names are
            its members. Where that does not fit, and without it, classes are what occurs, in order.

    Returns:
        The labels of the classes and their names; the number of a class is its place in them.
    """
    known = {label for label in labels if label is not None}
    if names is not None:
        names = list(names)
        if known <= set(names):
            return names, [str(name) for name in names]
        if all(isinstance(label, int) and label < len(names) for label in known):
            return list(range(len(names))), [str(name) for name in names]
    try:
        classes = sorted(known)
    except TypeError as error:
        raise ValueError(
            f"The labels are numbers in one split and names in another. {_FIX}."
        ) from error
    return classes, [str(label) for label in classes]


def encode(labels: Sequence[int | str | None], classes: Sequence[int | str]) -> Tensor:
    """Number of every label's class `[N]`, int64; -1 where there is no label."""
    number = {label: number for number, label in enumerate(classes)}
    codes = [UNLABELED if label is None else number[label] for label in labels]
    return torch.tensor(codes, dtype=torch.int64)
