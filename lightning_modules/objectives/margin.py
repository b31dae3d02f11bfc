"""Margin-injected regularization: keeps augmented features hard, so that no network collapses."""

from typing import Literal

import torch
from torch import Tensor

from ..arguments.ranges import check_choice, check_number
from ..arguments.similarities import check_similarities
from ..checkpoints.rebuildable import Rebuildable
from .pairs import PairSet

MarginKind = Literal["large", "small", "mean"]
ActsOn = Literal["both", "generator", "none"]


def margins(
    hardest_positive: Tensor, hardest_negative: Tensor, kind: MarginKind
) -> tuple[Tensor, Tensor]:
    """The margins that augmented features are held to.

    Args:
        hardest_positive: sigma+, the least similarity of an instance's original positives, `[N]`.
        hardest_negative: sigma-, the greatest similarity of its original negatives, `[N]`.
        kind: `large`: m+ the lesser and m- the greater of the two; `small`: swapped; `mean`:
            both their mean.

    Returns:
        m+ and m-, each `[N]`.

    Raises:
        ValueError: If `kind` is unknown.
    """
    check_choice("margin kind", kind, MarginKind)
    if kind != "mean":
        both = torch.stack([hardest_positive, hardest_negative])
        lesser, greater = both.amin(dim=0), both.amax(dim=0)
        return (lesser, greater) if kind == "large" else (greater, lesser)
    mean = (hardest_positive + hardest_negative) / 2
    return mean, mean


def margin_regularization(
    positive: Tensor,
    negative: Tensor,
    augmented_positive: Tensor,
    augmented_negative: Tensor,
    kind: MarginKind = "large",
    positive_weight: float = 1.0,
    negative_weight: float = 1.0,
) -> Tensor:
    """`R = w+ mean[s_p - m+]+ + w- mean[m- - s_n]+` over pairs with an augmented feature.

    The margins come from the original pairs of each instance (MetAug, section 3.2); the gradient
    flows through them as well.

    Args:
        positive: Similarities of original positive pairs, `[N, P]`.
        negative: Similarities of original negative pairs, `[N, K]`.
        augmented_positive: Similarities of positive pairs with an augmented feature, `[N, P']`.
        augmented_negative: Similarities of negative pairs with an augmented feature, `[N, K']`.
        kind: See `margins`.
        positive_weight: w+.
        negative_weight: w-.

    Returns:
        R, a scalar >= 0.

    Raises:
        ValueError: If a shape is not as stated, `kind` is unknown or a weight is negative.
    """
    check_similarities(
        positive=positive,
        negative=negative,
        augmented_positive=augmented_positive,
        augmented_negative=augmented_negative,
    )
    check_number("positive_weight", positive_weight, at_least=0)
    check_number("negative_weight", negative_weight, at_least=0)
    upper, lower = margins(positive.amin(dim=1), negative.amax(dim=1), kind)
    too_easy, too_far = hinges(upper, lower, augmented_positive.T, augmented_negative[None])
    return (positive_weight * too_easy + negative_weight * too_far).mean()


def hinges(
    upper: Tensor,
    lower: Tensor,
    positive: Tensor,
    negative: Tensor,
    bias: Tensor | float = 0.0,
    compared: Tensor | int | None = None,
) -> tuple[Tensor, Tensor]:
    """`mean [s_p - m+]+` and `mean [m- - s_n]+` of each instance, each `[B]`.

    Args:
        upper: m+, `[B]`.
        lower: m-, `[B]`.
        positive: Similarities of positive pairs with an augmented feature, `[P, B]`.
        negative: Similarities of negative pairs with an augmented feature, `[Q, B, M]`.
        bias: `[B, M]`, minus infinity where `negative` compares an instance with itself, else 0.
        compared: Number of the M that are other instances, `[B]` or one for all; None for M.
    """
    too_easy = (positive - upper).clamp_min(0).mean(dim=0)
    too_far = ((lower[:, None] + bias) - negative).clamp_min(0).sum(dim=(0, 2))
    count = negative.shape[0] * (negative.shape[2] if compared is None else compared)
    return too_easy, too_far / count


class MarginRegularization(Rebuildable):
    """Margin-injected regularization over a set of pairs.

    Args:
        kind: `large`, `small` or `mean`: how the margins follow from the hardest original
            pairs of an instance.
        weight: delta >= 0, the weight of R in the objective.
        positive_weight: w+ >= 0, the weight of the positive pairs in R.
        negative_weight: w- >= 0, the weight of the negative pairs in R.
        acts_on: `both` networks, the `generator` alone, or `none` (R is only logged).

    Examples:
        >>> MarginRegularization(kind="mean", weight=0.5)
        MarginRegularization(kind=mean, weight=0.5, acts_on=both)
    """

    def __init__(
        self,
        kind: MarginKind = "large",
        weight: float = 1.0,
        positive_weight: float = 1.0,
        negative_weight: float = 1.0,
        acts_on: ActsOn = "both",
    ) -> None:
        super().__init__()
        check_choice("margin kind", kind, MarginKind)
        check_choice("margin acts_on", acts_on, ActsOn)
        check_number("margin weight", weight, at_least=0)
        check_number("margin positive_weight", positive_weight, at_least=0)
        check_number("margin negative_weight", negative_weight, at_least=0)
        self.kind = kind
        self.weight = weight
        self.positive_weight = positive_weight
        self.negative_weight = negative_weight
        self.acts_on = acts_on

    def margins(self, pairs: PairSet) -> tuple[Tensor, Tensor]:
        """m+ and m- of each instance of the set, each `[B]`."""
        original = pairs.across_views().original()
        hardest_negative = original.mask_negatives(original.negative).amax(dim=(0, 2))
        return margins(original.positive.amin(dim=0), hardest_negative, self.kind)

    def forward(self, pairs: PairSet) -> Tensor:
        """R of each instance of the set (unweighted by delta), `[B]`."""
        upper, lower = self.margins(pairs)
        augmented = pairs.across_views().augmented()
        too_easy, too_far = hinges(
            upper, lower, augmented.positive, augmented.negative, pairs.bias, pairs.compared
        )
        return torch.add(self.positive_weight * too_easy, too_far, alpha=self.negative_weight)

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"kind={self.kind}, weight={self.weight}, acts_on={self.acts_on}"
