"""OUCL, the optimization-driven unified contrastive loss."""

from torch import Tensor

from ..arguments.ranges import check_attraction_weight, check_number
from ..arguments.similarities import check_similarities
from ..checkpoints.rebuildable import Rebuildable
from .pairs import PairSet
from .unified_loss import unified_loss


def positive_logits(similarity: Tensor, gamma: float, margin: float | None) -> Tensor:
    """Weighted logits of positive pairs, `-gamma * alpha_p * (s - Delta_p)`.

    Args:
        similarity: Similarities s in [0, 1], any shape.
        gamma: Scale of the logits.
        margin: Self-paced margin m (alpha_p = [1 + m - s]+ without gradient, Delta_p = 1 - m),
            or None for the plain form (alpha_p = 1, Delta_p = 0).

    Returns:
        Logits of the shape of `similarity`.
    """
    if margin is None:
        return -gamma * similarity
    pace = (1 + margin - similarity.detach()).clamp_min(0)
    return -gamma * pace * (similarity - (1 - margin))


def negative_logits(similarity: Tensor, gamma: float, margin: float | None) -> Tensor:
    """Weighted logits of negative pairs, `gamma * alpha_n * (s - Delta_n)`.

    Args:
        similarity: Similarities s in [0, 1], any shape.
        gamma: Scale of the logits.
        margin: Self-paced margin m (alpha_n = [s + m]+ without gradient, Delta_n = m), or None
            for the plain form (alpha_n = 1, Delta_n = 0).

    Returns:
        Logits of the shape of `similarity`.
    """
    if margin is None:
        return gamma * similarity
    pace = (similarity.detach() + margin).clamp_min(0)
    return gamma * pace * (similarity - margin)


def oucl(
    positive: Tensor,
    negative: Tensor,
    gamma: float = 16.0,
    margin: float | None = None,
    attraction_weight: float = 1.0,
) -> Tensor:
    """OUCL: all pairs of an instance in one term, so that one backward pass weighs them together.

    `L_i = 16/gamma * softplus(logsumexp_n(negative logits) + w * logsumexp_p(positive logits))`,
    averaged over instances (MetAug, section 3.3; the self-paced weights are those of Circle loss,
    Sun et al., CVPR 2020). With `gamma=16`, no margin and w = 1 it is what the paper's code runs.
    The gradients of an instance's positives sum to w times those of its negatives.

    Args:
        positive: Similarities of positive pairs, `[N, P]`, in [0, 1].
        negative: Similarities of negative pairs, `[N, K]`, in [0, 1].
        gamma: Scale of the logits, > 0.
        margin: Self-paced margin m in [0, 1], or None for the plain form.
        attraction_weight: w > 0, the weight of attraction against repulsion.

    Returns:
        The mean over instances, a scalar.

    Raises:
        ValueError: If a shape is not as stated, or a number is out of its range.

    Examples:
        >>> import torch
        >>> oucl(torch.tensor([[0.9]]), torch.tensor([[0.2, 0.4]]))
        tensor(0.0003)
    """
    check_similarities(positive=positive, negative=negative)
    _check_settings(gamma, margin, attraction_weight)
    return unified_loss(
        -positive_logits(positive, gamma, margin).T,
        negative_logits(negative, gamma, margin)[None],
        gamma,
        attraction_weight=attraction_weight,
    ).mean()


def _check_settings(gamma: float, margin: float | None, attraction_weight: float) -> None:
    check_number("gamma", gamma, above=0, hint="the paper's code runs 16")
    if margin is not None:
        check_number("margin", margin, at_least=0, at_most=1, hint="null for the plain form")
    check_attraction_weight(attraction_weight)


class OUCL(Rebuildable):
    """OUCL over a set of pairs of features of different views.

    Args:
        gamma: Scale of the logits, > 0. The paper's code runs 16.
        margin: Self-paced margin m in [0, 1] as in Circle loss, or null for the plain form.
        attraction_weight: w > 0, the weight of attraction (positives) against repulsion
            (negatives); 1 in the paper.

    Examples:
        >>> OUCL(gamma=8.0, margin=0.25)
        OUCL(gamma=8.0, margin=0.25, attraction_weight=1.0)
    """

    same_view_negatives = False

    def __init__(
        self, gamma: float = 16.0, margin: float | None = None, attraction_weight: float = 1.0
    ) -> None:
        super().__init__()
        _check_settings(gamma, margin, attraction_weight)
        self.attraction_weight = attraction_weight
        self.gamma = gamma
        self.margin = margin

    def forward(self, pairs: PairSet) -> Tensor:
        """The loss of each instance of the set, `[B]`; see `oucl`."""
        settings = {"gamma": self.gamma, "attraction_weight": self.attraction_weight}
        if self.margin is None:
            negative = pairs.mask_negatives(pairs.negative)
            return unified_loss(pairs.positive, negative, slope=self.gamma, **settings)
        negative = negative_logits(pairs.negative, self.gamma, self.margin)
        positive = positive_logits(pairs.positive, self.gamma, self.margin)
        return unified_loss(-positive, pairs.mask_negatives(negative), **settings)

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        weight = self.attraction_weight
        return f"gamma={self.gamma}, margin={self.margin}, attraction_weight={weight}"
