"""How strongly an objective pulls positive pairs together and pushes negative pairs apart."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from metaug.lightning_modules.objectives.pairs import Negatives, PairSet
from metaug.lightning_modules.objectives.row_blocks import BatchObjective
from torch import Tensor, nn


class Forces(NamedTuple):
    """What reaches the features that the encoder learns from, means over instances.

    Attributes:
        attraction: Of positive pairs, scalar.
        repulsion: Of negative pairs, scalar.
    """

    attraction: Tensor
    repulsion: Tensor


def attraction_and_repulsion(
    objective: nn.Module,
    generator: nn.Module | None,
    features: Tensor,
    negatives: Negatives | None = None,
    index: Tensor | None = None,
) -> Forces | None:
    """Norms of the gradient of what the encoder minimizes at its features, summed over pairs.

    A pair's similarity s = (1 + u.w) / 2 moves u by a gradient of norm |dL/ds| / 2, and w by as
    much. Each pair counts with the features that gradients reach: both originals; an augmented one
    unless the objective is `detach`ed from it; no entry of a memory bank. Where the objective has
    it the other way round for a pair (the margin regularization pushes positive pairs apart), the
    pair counts as negative.

    Args:
        objective: Some part of it, such as `contrast`, must be a module that is called with a
            `PairSet`.
        generator: The augmentation generator, or None.
        features: `[G, V, D]`, unit norm.
        negatives: Draws from a memory bank, or None for in-batch negatives.
        index: Dataset index of the instances, `[G]`; needed with `negatives`.

    Returns:
        None if no part of the objective is called with pairs.
    """
    count, views, _ = features.shape
    leaf = features.detach().requires_grad_()
    attraction, repulsion = leaf.new_zeros(2).unbind()
    for block in BatchObjective(objective, generator, count, views, negatives, index).inner:
        with (
            _differentiated_calls(generator) as calls,
            recorded_pairs(objective) as recorded,
            torch.enable_grad(),
            torch.autocast(leaf.device.type, enabled=False),
        ):
            loss = block(leaf)
        if not recorded:
            return None
        weights = [
            (_reached(pairs, numbers, through=any(calls)), similarity)
            for pairs in recorded
            for numbers, similarity in (
                (pairs.positive_pairs, pairs.positive),
                (pairs.negative_pairs, pairs.negative),
            )
        ]
        slopes = _slopes(loss, [similarity for _, similarity in weights])
        totals = [
            (slope.flatten(1).sum(dim=1) * ends.to(slope)).sum() / 2
            for slope, (ends, _) in zip(slopes, weights, strict=True)
        ]
        attraction = attraction - torch.stack(totals[::2]).sum()
        repulsion = repulsion + torch.stack(totals[1::2]).sum()
    return Forces(attraction, repulsion)


def _reached(pairs: PairSet, numbers: np.ndarray, *, through: bool) -> Tensor:
    """How many of the two features of each pair gradients reach, `[Q]`."""
    kind = numbers // pairs.num_views  # 0 original, 1 augmented, 2 of a memory bank
    return torch.from_numpy(((kind == 0) | ((kind == 1) & through)).sum(axis=1))


def _slopes(loss: Tensor, similarities: list[Tensor]) -> list[Tensor]:
    """`dL/ds` of each pair, zero where no gradient passes, `[Q, ...]` each."""
    passing = [similarity for similarity in similarities if similarity.requires_grad]
    found = iter(torch.autograd.grad(loss, passing, materialize_grads=True))
    return [next(found) if s.requires_grad else torch.zeros_like(s) for s in similarities]


@contextmanager
def recorded_pairs(objective: nn.Module) -> Iterator[list[PairSet]]:
    """The sets of pairs that parts of an objective are called with, in the order of the calls.

    A part that calls another with pairs is recorded, not the other. Each call gets similarities of
    its own in the graph, so that a gradient with respect to them is that of this call.

    Args:
        objective: What is called inside of the context.
    """
    recorded: list[PairSet] = []
    depth = 0

    def enter(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal depth
        if not any(isinstance(argument, PairSet) for argument in arguments):
            return None
        depth += 1
        if depth > 1:
            return None
        own = tuple(_own(each) if isinstance(each, PairSet) else each for each in arguments)
        recorded.extend(each for each in own if isinstance(each, PairSet))
        return own

    def leave(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        nonlocal depth
        depth -= any(isinstance(argument, PairSet) for argument in arguments)

    with ExitStack() as hooks:
        for module in objective.modules():
            hooks.callback(module.register_forward_pre_hook(enter).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        yield recorded


def _own(pairs: PairSet) -> PairSet:
    positive, negative = (s.view_as(s) for s in (pairs.positive, pairs.negative))
    return replace(pairs, positive=positive, negative=negative)


@contextmanager
def _differentiated_calls(generator: nn.Module | None) -> Iterator[list[bool]]:
    """Whether the features that a generator is called with carry gradients, call by call."""
    calls: list[bool] = []
    if generator is None:
        yield calls
        return
    hook = generator.register_forward_pre_hook(
        lambda _, given: calls.append(given[0].requires_grad)
    )
    try:
        yield calls
    finally:
        hook.remove()
