"""The objective: a contrastive loss over original and augmented features, and the margins."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..arguments.ranges import check_choice, check_number
from ..checkpoints.rebuildable import Rebuildable
from .margin import MarginRegularization
from .oucl import OUCL
from .pairs import Negatives, PairSet, compared_features, form_pairs

Composition = Literal["unified", "substituted", "anchored"]


class Terms(NamedTuple):
    """The parts of the objective, each a scalar.

    Attributes:
        contrast: The composed contrastive loss (OUCL or InfoNCE).
        margin: R, not weighted; 0 without a generator or a margin.
        inner: What the encoder minimizes: L(theta, omega).
        outer: What the generator minimizes at the look-ahead, or maximizes if `adversarial`.
    """

    contrast: Tensor
    margin: Tensor
    inner: Tensor
    outer: Tensor

    @classmethod
    def of(cls, loss: Tensor) -> "Terms":
        """The terms of an objective that is one loss for encoder and generator alike."""
        return cls(loss, torch.zeros_like(loss), loss, loss)


class MetAugObjective(Rebuildable):
    """`L = composition of contrastive losses + delta * R` (MetAug, section 3).

    Args:
        contrast: The contrastive loss over pairs: `OUCL` (default) or `InfoNCE`.
        composition: `unified` (the paper): the loss over original pairs + lambda * the loss over
            all pairs, originals and augmented together; `substituted` (the paper's code): the
            loss over original pairs + lambda * [the sum over views of the loss with that view
            replaced by its augmented feature + the loss with every view replaced]; `anchored`: as
            `unified`, without pairs of two augmented features.
        augmented_weight: lambda >= 0, the weight of the losses over augmented features.
        margin: Margin-injected regularization, or null for none.
        adversarial: The generator makes the contrastive loss after the look-ahead as great as it
            can, instead of as small as in the paper; it minimizes R either way.
        detach: The encoder takes augmented features as given, instead of learning through the
            generator as well; the generator learns as before. The engine `lookahead` then
            neglects the path through the generator in v, and is no closer than `first_order`.
        synthetic_negatives: More negatives or others in their place, for the contrastive loss:
            `HardNegativeMixing` (MoCHi), `NegativeInterpolation` (FT), or your own
            `(pairs, anchors, others) -> pairs`; null for none. The margins keep to the originals.

    Examples:
        >>> objective = MetAugObjective(margin=MarginRegularization())
        >>> features = torch.nn.functional.normalize(torch.randn(4, 2, 8), dim=-1)
        >>> objective(features, lambda u: u.roll(1, dims=2)).inner.shape
        torch.Size([])
    """

    def __init__(
        self,
        contrast: nn.Module | None = None,
        composition: Composition = "unified",
        augmented_weight: float = 1.0,
        margin: MarginRegularization | None = None,
        adversarial: bool = False,
        detach: bool = False,
        synthetic_negatives: nn.Module | None = None,
    ) -> None:
        super().__init__()
        check_number("augmented_weight", augmented_weight, at_least=0)
        check_choice("composition", composition, Composition)
        self.contrast = OUCL() if contrast is None else contrast
        self.composition = composition
        self.augmented_weight = augmented_weight
        self.margin = margin
        self.adversarial = adversarial
        self.detach = detach
        self.synthetic_negatives = synthetic_negatives

    @property
    def differs(self) -> bool:
        """Whether the generator has another objective than the encoder."""
        acts_on = "none" if self.margin is None else self.margin.acts_on
        return self.detach or acts_on == "generator" or (self.adversarial and acts_on == "both")

    def compose(self, pairs: PairSet) -> Tensor:
        """The composed contrastive loss of each instance, `[B]`."""
        views = pairs.num_views
        originals = pairs.original()
        total = self.contrast(originals)
        if pairs.positive_pairs.max() < views:
            return total
        if self.composition == "anchored":
            anchored = self.contrast(pairs.anchored())
            return torch.add(total, anchored, alpha=self.augmented_weight)
        if self.composition == "unified":
            return torch.add(total, self.contrast(pairs), alpha=self.augmented_weight)
        augmented = self.contrast(pairs.among(range(views, 2 * views)))
        for view in range(views):
            kept = [feature for feature in range(views) if feature != view]
            augmented = augmented + self.contrast(pairs.among([*kept, views + view]))
        return torch.add(total, augmented, alpha=self.augmented_weight)

    def forward(
        self,
        features: Tensor,
        augment: Callable[[Tensor], Tensor] | None = None,
        *,
        rows: slice | None = None,
        negatives: Negatives | None = None,
        index: Tensor | None = None,
        through: bool | None = None,
    ) -> Terms:
        """Evaluate the objective over the global batch, or a block of instances' share of it.

        Args:
            features: Original features of the global batch, `[G, V, D]`, unit norm.
            augment: The augmentation generator `[G, V, D] -> [G, V, D]`, or None.
            rows: Sum only the instances of this block, divided by G: blocks add up to the whole.
            negatives: Draws from a memory bank, or None for in-batch negatives.
            index: Dataset index of the instances, `[G]`; needed with `negatives`.
            through: Whether gradients reach the features through `augment`, as they always do
                for the generator's objective; None for what `detach` says of the encoder's.

        Returns:
            The terms, scalars.

        Raises:
            ValueError: If there are no negatives or positives to form.
        """
        count, views, _ = features.shape
        if views < 2:
            raise ValueError(
                f"contrast needs at least 2 views of each instance, got {views}; set the number of "
                "views of the data to 2 or more"
            )
        if count < 2 and negatives is None:
            raise ValueError(
                "a batch of 1 instance has no negatives; use a batch of 2 or more, or a memory bank"
            )
        through = not self.detach if through is None else through
        augmented = None if augment is None else augment(features if through else features.detach())
        given: dict[str, Any] = {"rows": rows, "negatives": negatives}
        same_view = getattr(self.contrast, "same_view_negatives", False)
        pairs = form_pairs(features, augmented, index=index, same_view_negatives=same_view, **given)
        contrasted = pairs
        if self.synthetic_negatives is not None:
            compared = compared_features(pairs, features, augmented, **given)
            contrasted = self.synthetic_negatives(pairs, *compared)
        whole = rows is None
        contrast = _share(self.compose(contrasted), count, whole)
        if augment is None or self.margin is None:
            return Terms.of(contrast)
        margin, weight = _share(self.margin(pairs), count, whole), self.margin.weight
        acts_on = self.margin.acts_on
        outer = -weight if self.adversarial else weight
        return Terms(
            contrast,
            margin,
            inner=torch.add(contrast, margin, alpha=weight) if acts_on == "both" else contrast,
            outer=torch.add(contrast, margin, alpha=outer) if acts_on != "none" else contrast,
        )


def _share(values: Tensor, count: int, whole: bool) -> Tensor:
    """What the instances of a block add to the mean over all `count`."""
    return values.mean() if whole else values.sum() / count
