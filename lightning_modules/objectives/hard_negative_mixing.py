"""Mixing of hard negatives (MoCHi): more negatives, from the hardest of each anchor."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..arguments.ranges import check_count, check_seed
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.step_draws import StepDraws, onto
from .pairs import PairSet


class HardNegativeMixing(Rebuildable):
    """MoCHi (Kalantidis et al., NeurIPS 2020): mixes of an anchor's hardest negatives.

    To the negatives of each anchor u come `a n_i + (1 - a) n_j`, `a ~ U(0, 1)`, and
    `b u + (1 - b) n_j`, `b ~ U(0, 1/2)`, scaled to unit length, where n_i and n_j are drawn from
    its hardest negatives. The mixes are taken as given: gradients reach the anchor alone.

    Which of the hardest are mixed (by their rank), a and b are drawn in each training step for all
    anchors alike. The hardest are those of one view, so each pair of views has mixes of its own.

    Args:
        hardest: Number of an anchor's negatives of a view that are mixed, >= 1; of a view that has
            fewer, all.
        mixed: Number of mixes of two negatives, >= 0.
        mixed_with_anchor: Number of mixes of a negative with the anchor, >= 0.
        seed: Seed of the draws.

    Examples:
        >>> from metaug.lightning_modules import MetAugObjective
        >>> objective = MetAugObjective(synthetic_negatives=HardNegativeMixing(hardest=2))
        >>> features = functional.normalize(torch.randn(4, 2, 8), dim=-1)
        >>> bool(objective(features).inner > MetAugObjective()(features).inner)
        True
    """

    def __init__(
        self, hardest: int = 64, mixed: int = 32, mixed_with_anchor: int = 16, seed: int = 0
    ) -> None:
        super().__init__()
        check_count("hardest", hardest)
        check_count("mixed", mixed, at_least=0)
        check_count("mixed_with_anchor", mixed_with_anchor, at_least=0)
        check_seed(seed)
        self.hardest = hardest
        self.mixed = mixed
        self.mixed_with_anchor = mixed_with_anchor
        self.draws = StepDraws(seed, "hard negative mixing")

    def forward(self, pairs: PairSet, anchors: Tensor, others: Tensor) -> PairSet:
        """The pairs with the mixes among their negatives.

        Args:
            pairs: Whose negatives are mixed.
            anchors: The features whose similarities `pairs.negative` holds, `[Qn, B, D]`.
            others: Those they are compared with, `[Qn, M, D]`.
        """
        mixes = self._mix(pairs, anchors, others)  # [Qn, B, E, D]
        cosine = (mixes @ anchors[..., None]).squeeze(-1)
        bias = pairs.bias.new_zeros(pairs.bias.shape[0], mixes.shape[2])
        return replace(
            pairs,
            negative=torch.cat([pairs.negative, (1 + cosine) / 2], dim=-1),
            bias=torch.cat([pairs.bias, bias], dim=1),
            compared=pairs.compared + mixes.shape[2],
        )

    @torch.no_grad()
    def _mix(self, pairs: PairSet, anchors: Tensor, others: Tensor) -> Tensor:
        """The mixes of each anchor, `[Qn, B, E, D]`."""
        pure, with_anchor = self.mixed, self.mixed_with_anchor
        # [0, 1) in float32, of which no product with a count is rounded up to the count
        uniform = self.draws.generator().random(3 * pure + 2 * with_anchor, dtype=np.float32)
        ranks, weights = onto(uniform, others.device).split(
            [2 * pure + with_anchor, pure + with_anchor]
        )
        chosen = self._choose(pairs, others, ranks)
        first, second, third = chosen.split([pure, pure, with_anchor], dim=2)
        of_first, of_anchor = weights.to(others.dtype)[:, None].split([pure, with_anchor])
        mixes = [
            torch.lerp(second, first, of_first),
            torch.lerp(third, anchors[:, :, None].expand_as(third), of_anchor / 2),
        ]
        return functional.normalize(torch.cat(mixes, dim=2), dim=-1)

    def _choose(self, pairs: PairSet, others: Tensor, uniform: Tensor) -> Tensor:
        """Features among the hardest of each anchor, by ranks drawn from `uniform`."""
        views, size, _ = others.shape
        count = min(self.hardest, size)
        hardest = pairs.mask_negatives(pairs.negative).topk(count, dim=-1).indices  # [Qn, B, N]
        compared = pairs.compared
        if isinstance(compared, int):
            rank = uniform * min(count, compared)
        else:
            rank = uniform * compared.clamp(1, count)[:, None]
        index = hardest.gather(-1, rank.long().expand(*hardest.shape[:2], -1))  # [Qn, B, E]
        start = torch.arange(0, views * size, size, device=others.device)
        return functional.embedding(index + start[:, None, None], others.flatten(0, 1))

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return (
            f"hardest={self.hardest}, mixed={self.mixed}, "
            f"mixed_with_anchor={self.mixed_with_anchor}"
        )
