"""InfoNCE, the baseline contrastive loss."""

import torch
from torch import Tensor

from ..arguments.ranges import check_attraction_weight, check_number
from ..arguments.similarities import check_similarities
from ..checkpoints.rebuildable import Rebuildable
from .pairs import PairSet


def info_nce(
    positive: Tensor,
    negative: Tensor,
    temperature: float = 0.2,
    attraction_weight: float = 1.0,
) -> Tensor:
    """InfoNCE (van den Oord et al., 2018): each positive against all negatives of its row.

    `-log( exp(w s_p/T) / (exp(w s_p/T) + sum_n exp(s_n/T)) )`, averaged over positives and rows,
    which is `softplus(logsumexp_n(s_n/T) - w s_p/T)`: the gradient of a positive is w times that of
    its negatives together, as in `oucl`. With w = 1, one row per feature, cosine similarities and
    all other instances' features as negatives it is NT-Xent, the loss of SimCLR (Chen et al., ICML
    2020).

    Args:
        positive: Similarities of positive pairs, `[N, P]`.
        negative: Similarities of negative pairs, `[N, K]`.
        temperature: T > 0, in units of the similarity.
        attraction_weight: w > 0, the weight of attraction against repulsion.

    Returns:
        The mean, a scalar.

    Raises:
        ValueError: If a shape is not as stated, or a number is not positive.

    Examples:
        >>> info_nce(torch.tensor([[1.0]]), torch.tensor([[0.0]]), temperature=1.0)
        tensor(0.3133)
    """
    check_similarities(positive=positive, negative=negative)
    _check_settings(temperature, attraction_weight)
    logits = attraction_weight * (positive.T / temperature)
    return each_positive(logits, negative[None] / temperature).mean()


def each_positive(positive: Tensor, negative: Tensor) -> Tensor:
    """The loss of each positive against all negatives of its instance and anchor, `[P, B]`.

    Args:
        positive: Logits of positive pairs, `[P, B]`.
        negative: Logits of negative pairs, `[Q, B, M]`; minus infinity leaves one out.
    """
    return torch.logaddexp(positive, negative.logsumexp(dim=(0, 2))) - positive


def _check_settings(temperature: float, attraction_weight: float) -> None:
    check_number("temperature", temperature, above=0, hint="SimCLR uses 0.1 to 0.5")
    check_attraction_weight(attraction_weight)


class InfoNCE(Rebuildable):
    """InfoNCE over cosine similarities; without a generator this is SimCLR's NT-Xent.

    Every feature is an anchor; its positives are the features of the other views of its instance,
    its negatives all features of all other instances, those of its own view included.

    Args:
        temperature: T > 0 of cosine similarities.
        attraction_weight: w > 0, the weight of attraction (positives) against repulsion
            (negatives); 1 in SimCLR. See `info_nce`.

    Examples:
        >>> from metaug.lightning_modules import MetAugObjective
        >>> simclr = MetAugObjective(contrast=InfoNCE(temperature=0.5))
    """

    same_view_negatives = True

    def __init__(self, temperature: float = 0.2, attraction_weight: float = 1.0) -> None:
        super().__init__()
        _check_settings(temperature, attraction_weight)
        self.temperature = temperature
        self.attraction_weight = attraction_weight

    def forward(self, pairs: PairSet) -> Tensor:
        """The loss of each instance of the set, `[B]`; see `info_nce`."""
        scale = 2 / self.temperature  # s = (1 + cos) / 2, so cos / T = 2 s / T up to a constant
        losses = []
        for anchor in pairs.anchors:
            part = pairs.of_anchor(anchor)
            negative = part.mask_negatives(scale * part.negative)
            losses.append(each_positive(self._positive_logits(part.positive), negative))
        return torch.cat(losses).mean(dim=0)

    def _positive_logits(self, similarity: Tensor) -> Tensor:
        """`w cos / T + 1 / T`, with the constant that the negatives' logits have too."""
        weight = self.attraction_weight
        logits = (weight * 2 / self.temperature) * similarity
        return logits if weight == 1 else logits + (1 - weight) / self.temperature

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"temperature={self.temperature}, attraction_weight={self.attraction_weight}"
