"""Choosing images by class: few labels, a fraction of the labels, and held-out fractions."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..transforms.ranges import check


def few_per_class(targets: Tensor, per_class: int, *, seed: int = 0) -> list[int]:
    """Choose the same number of images of every class.

    Args:
        targets: Class of every image `[N]`; images without a label (-1) are never chosen.
        per_class: Images per class; a class that has fewer gives all it has.
        seed: Seed of the choice.

    Returns:
        Indices in ascending order.
    """
    check(per_class, "labels_per_class", at_least=1, whole=True)
    return _choose(targets, _classes(targets), lambda members: per_class, seed)


def fraction_per_class(targets: Tensor, fraction: float, *, seed: int = 0) -> list[int]:
    """Choose the same fraction of every class, at least one image of each.

    Args:
        targets: Class of every image `[N]`; images without a label (-1) are never chosen.
        fraction: Part of every class, in (0, 1].
        seed: Seed of the choice; a smaller fraction gives a subset of a larger one.

    Returns:
        Indices in ascending order.
    """
    check(fraction, "label_fraction", above=0, at_most=1)
    return _choose(targets, _classes(targets), lambda n: max(1, round(fraction * n)), seed)


def split_fraction(
    targets: Tensor, fraction: float, *, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Split images in two, with the same fraction of every class in the second part.

    Args:
        targets: Class of every image `[N]`; -1 counts as a class of its own.
        fraction: Part of every class that goes to the second list, in (0, 1).
        seed: Seed of the choice.

    Returns:
        Indices of the first and of the second part, ascending.
    """
    check(fraction, "val_fraction", above=0, below=1)
    chosen = _choose(targets, targets.unique(), lambda n: round(fraction * n), seed)
    kept = torch.ones(len(targets), dtype=torch.bool)
    kept[chosen] = False
    return kept.nonzero()[:, 0].tolist(), chosen


def _classes(targets: Tensor) -> Tensor:
    return targets[targets >= 0].unique()


def _choose(targets: Tensor, labels: Tensor, count: Callable[[int], int], seed: int) -> list[int]:
    """Of each of these labels the first `count(members)` in a random order, ascending."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [torch.empty(0, dtype=torch.int64)]
    for label in labels:
        members = (targets == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=generator)
        chosen.append(members[order[: count(len(members))]])
    return torch.cat(chosen).sort().values.tolist()
