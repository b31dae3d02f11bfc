"""Implicit feature modification (IFM): pairs made harder by a shift of their similarities."""

from dataclasses import replace

from torch import Tensor, nn

from ..arguments.ranges import check_number
from ..checkpoints.rebuildable import Rebuildable
from .oucl import OUCL
from .pairs import PairSet


def harden(positive: Tensor, negative: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """What the worst change of size epsilon makes of the similarities `s = (1 + cosine) / 2`.

    It has a closed form (Robinson et al., NeurIPS 2021): cosines of positives less epsilon, those
    of negatives plus epsilon.

    Args:
        positive: Similarities of positive pairs, any shape.
        negative: Similarities of negative pairs, any shape.
        epsilon: >= 0, in units of the cosine.

    Returns:
        Both, of the same shapes; not clipped to [0, 1].

    Examples:
        >>> import torch
        >>> harden(torch.tensor(0.875), torch.tensor(0.25), epsilon=0.25)
        (tensor(0.7500), tensor(0.3750))
    """
    _check_epsilon(epsilon)
    return positive - epsilon / 2, negative + epsilon / 2


def _check_epsilon(epsilon: float) -> None:
    check_number("epsilon", epsilon, at_least=0, hint="the paper's are 0.05, 0.1 and 0.2")


class ImplicitFeatureModification(Rebuildable):
    """IFM: the mean of a contrastive loss over the pairs and over the same pairs made harder.

    `(L + L_epsilon) / 2` with the similarities of `harden` in `L_epsilon`.

    Args:
        contrast: L, a contrastive loss over pairs; null for `OUCL`.
        epsilon: >= 0, in units of the cosine.

    Examples:
        >>> from metaug.lightning_modules import InfoNCE, MetAugObjective
        >>> objective = MetAugObjective(ImplicitFeatureModification(InfoNCE(), epsilon=0.1))
    """

    def __init__(self, contrast: nn.Module | None = None, epsilon: float = 0.1) -> None:
        super().__init__()
        _check_epsilon(epsilon)
        self.contrast = OUCL() if contrast is None else contrast
        self.epsilon = epsilon

    @property
    def same_view_negatives(self) -> bool:
        """As in the loss that it wraps."""
        return getattr(self.contrast, "same_view_negatives", False)

    def forward(self, pairs: PairSet) -> Tensor:
        """The loss of each instance of the set, `[B]`."""
        positive, negative = harden(pairs.positive, pairs.negative, self.epsilon)
        harder = replace(pairs, positive=positive, negative=negative)
        return (self.contrast(pairs) + self.contrast(harder)) / 2

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"epsilon={self.epsilon}"
