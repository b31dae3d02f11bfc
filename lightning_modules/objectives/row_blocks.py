"""The objective of one global batch, in blocks of instances that fit in memory."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from . import MetAugObjective, Negatives

MAX_SIMILARITIES = 2**25
"""Greatest number of similarities that one block computes (128 MiB in float32)."""


class BatchObjective:
    """``features [G, V, D] -> scalar`` for the encoder and for the generator, as sums of blocks.

    The pair matrix of G instances has (2VG)^2 entries; above :data:`MAX_SIMILARITIES` it is
    computed in blocks of rows, one at a time.

    Args:
        objective: The objective.
        generator: The augmentation generator, or None.
        count: G.
        num_views: V.
        negatives: Draws from a memory bank, or None for in-batch negatives.
        index: Dataset index of the instances, ``[G]``; needed with ``negatives``.
    """

    def __init__(
        self,
        objective: MetAugObjective,
        generator: nn.Module | None,
        count: int,
        num_views: int,
        negatives: Negatives | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.objective = objective
        self.generator = generator
        self.negatives = negatives
        self.index = index
        columns = num_views * (1 if generator is None else 2)
        others = count if negatives is None else negatives.index.numel()
        rows = max(1, MAX_SIMILARITIES // (columns * columns * others))
        self.blocks = [slice(at, min(at + rows, count)) for at in range(0, count, rows)]
        self._first: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def inner(self) -> list[Callable[[Tensor], Tensor]]:
        """What the encoder minimises, block by block."""
        return [partial(self._evaluate, "inner", number) for number in range(len(self.blocks))]

    @property
    def outer(self) -> list[Callable[[Tensor], Tensor]] | None:
        """The generator's objective, block by block; None if it is the same."""
        if self.generator is None or not self.objective.differs:
            return None
        return [partial(self._evaluate, "outer", number) for number in range(len(self.blocks))]

    @property
    def contrast(self) -> Tensor:
        """The contrastive loss where it was evaluated first, without a graph."""
        return torch.stack([terms[0] for terms in self._first.values()]).sum()

    @property
    def margin(self) -> Tensor:
        """R where it was evaluated first, without a graph."""
        return torch.stack([terms[1] for terms in self._first.values()]).sum()

    def _augment(self) -> Callable[[Tensor], Tensor] | None:
        """The generator; after its first pass with copies of its buffers (BatchNorm statistics)."""
        if self.generator is None or not self._first:
            return self.generator
        buffers = {name: each.clone() for name, each in self.generator.named_buffers()}
        generator = self.generator
        return lambda features: functional_call(generator, buffers, (features,))

    def _evaluate(self, which: Literal["inner", "outer"], number: int, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            terms = self.objective(
                features,
                self._augment(),
                rows=self.blocks[number] if len(self.blocks) > 1 else None,
                negatives=self.negatives,
                index=self.index,
                through=True if which == "outer" else None,
            )
        self._first.setdefault(number, (terms.contrast.detach(), terms.margin.detach()))
        return terms.inner if which == "inner" else terms.outer
