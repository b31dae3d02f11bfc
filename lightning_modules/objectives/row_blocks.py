"""The objective of one global batch, in blocks of instances that fit in memory."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .metaug_objective import Terms
from .pairs import Negatives

MAX_SIMILARITIES = 2**25
"""Greatest number of similarities that one block computes (128 MiB in float32)."""


class BatchObjective:
    """`features [G, V, D] -> scalar` for the encoder and for the generator, as sums of blocks.

    The pair matrix of G instances has (2VG)^2 entries; above `MAX_SIMILARITIES` it is computed in
    blocks of rows, one at a time.

    Args:
        objective: The objective: `MetAugObjective`, or a module `(features, augment) -> scalar`.
        generator: The augmentation generator, or None.
        count: G.
        num_views: V.
        negatives: Draws from a memory bank, or None for in-batch negatives.
        index: Dataset index of the instances, `[G]`; needed with `negatives`.
    """

    def __init__(
        self,
        objective: nn.Module,
        generator: nn.Module | None,
        count: int,
        num_views: int,
        negatives: Negatives | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.objective = objective
        self.generator = generator
        self.given = {} if negatives is None else {"negatives": negatives, "index": index}
        columns = num_views * (1 if generator is None else 2)
        others = count if negatives is None else negatives.index.numel()
        rows = max(1, MAX_SIMILARITIES // (columns * columns * others))
        if "rows" not in inspect.signature(objective.forward).parameters:
            rows = count
        self.blocks = [slice(at, min(at + rows, count)) for at in range(0, count, rows)]
        self._first: dict[int, Terms] = {}

    @property
    def inner(self) -> list[Callable[[Tensor], Tensor]]:
        """What the encoder minimizes, block by block."""
        return [partial(self._evaluate, "inner", block) for block in range(len(self.blocks))]

    @property
    def outer(self) -> list[Callable[[Tensor], Tensor]] | None:
        """The generator's objective, block by block; None if it is the same."""
        if self.generator is None or not getattr(self.objective, "differs", False):
            return None
        return [partial(self._evaluate, "outer", block) for block in range(len(self.blocks))]

    @property
    def contrast(self) -> Tensor:
        """The contrastive loss where it was evaluated first, without a graph."""
        return torch.stack([terms.contrast.detach() for terms in self._first.values()]).sum()

    @property
    def margin(self) -> Tensor:
        """R where it was evaluated first, without a graph."""
        return torch.stack([terms.margin.detach() for terms in self._first.values()]).sum()

    def _augment(self) -> Callable[[Tensor], Tensor] | None:
        """The generator; after its first pass with copies of its buffers (BatchNorm statistics)."""
        generator = self.generator
        if generator is None or not self._first:
            return generator
        buffers = {name: buffer.clone() for name, buffer in generator.named_buffers()}
        if not buffers:
            return generator
        return lambda features: functional_call(generator, buffers, (features,))

    def _evaluate(self, which: Literal["inner", "outer"], block: int, features: Tensor) -> Tensor:
        given: dict[str, Any] = dict(self.given)
        if len(self.blocks) > 1:
            given["rows"] = self.blocks[block]
        if which == "outer":
            given["through"] = True
        terms = self.objective(features, self._augment(), **given)
        if isinstance(terms, Tensor):
            terms = Terms.of(terms)
        self._first.setdefault(block, Terms(*(term.detach() for term in terms)))
        return terms.inner if which == "inner" else terms.outer
