"""Choosing images by class: few labels, and held-out fractions."""

import torch
from torch import Tensor


def few_per_class(targets: Tensor, per_class: int, *, seed: int = 0) -> list[int]:
    """Choose the same number of images of every class.

    Args:
        targets: Class of every image `[N]`; images without a label (-1) are never chosen.
        per_class: Images per class; a class that has fewer gives all it has.
        seed: Seed of the choice.

    Returns:
        Indices in ascending order.
    """
    if per_class < 1:
        raise ValueError(f"labels_per_class={per_class}, but at least 1 is needed (null for all).")
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in targets[targets >= 0].unique():
        members = (targets == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=generator)
        chosen.append(members[order[:per_class]])
    return torch.cat(chosen).sort().values.tolist() if chosen else []


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
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"val_fraction={fraction}, but it must lie between 0 and 1.")
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    for label in targets.unique():
        members = (targets == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=generator)
        held_out[members[order[: round(fraction * len(members))]]] = True
    return (~held_out).nonzero()[:, 0].tolist(), held_out.nonzero()[:, 0].tolist()
