"""Negatives between negatives, by feature transformation (FT)."""

from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.nn import functional

from ..arguments.ranges import check_number, check_seed
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.step_draws import StepDraws, onto
from .pairs import PairSet, similarity


class NegativeInterpolation(Rebuildable):
    """Interpolates negatives with a permutation of themselves (FT; Zhu et al., ICCV 2021).

    In place of each negative n comes `m n + (1 - m) n'`, scaled to unit length, where n' is
    another negative of the same view and `m ~ Beta(b, b)`. Permutation and weights are drawn in
    each training step, for all anchors alike; mixes with a feature of the anchor's own instance are
    left out. Gradients reach the negatives as they do without it.

    Args:
        concentration: b > 0; the paper's is 1.6.
        seed: Seed of the draws.

    Examples:
        >>> import torch
        >>> from metaug.lightning_modules import MetAugObjective
        >>> objective = MetAugObjective(synthetic_negatives=NegativeInterpolation())
        >>> objective(functional.normalize(torch.randn(4, 2, 8), dim=-1)).inner.shape
        torch.Size([])
    """

    def __init__(self, concentration: float = 1.6, seed: int = 0) -> None:
        super().__init__()
        check_number("concentration", concentration, above=0, hint="the paper's is 1.6")
        check_seed(seed)
        self.concentration = concentration
        self.draws = StepDraws(seed, "negative interpolation")

    def forward(self, pairs: PairSet, anchors: Tensor, others: Tensor) -> PairSet:
        """The pairs with the mixes as their negatives.

        Args:
            pairs: Whose negatives are mixed.
            anchors: The features whose similarities `pairs.negative` holds, `[Qn, B, D]`.
            others: Those they are compared with, `[Qn, M, D]`.
        """
        generator, count = self.draws.generator(), others.shape[1]
        # of two negatives one is the anchor's own instance: mixed, there would be none
        order = generator.permutation(count) if count > 2 else np.arange(count)
        beta = generator.beta(self.concentration, self.concentration, (count, 1))
        partner = onto(order, others.device)
        weight = onto(beta, others.device).to(others.dtype)
        rest = others.index_select(1, partner)
        mixes = functional.normalize(rest + weight * (others - rest), dim=-1)
        bias = pairs.bias + pairs.bias.index_select(1, partner)
        return replace(
            pairs,
            negative=similarity(anchors, mixes),
            bias=bias,
            compared=(bias == 0).sum(dim=1),
        )

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"concentration={self.concentration}"
