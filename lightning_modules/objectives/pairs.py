"""Pairs of features and their similarities: what every objective is made of.

Letters: ``B`` instances whose losses are computed (a block of rows), ``G`` instances of the global
batch, ``V`` views, ``D`` feature size, ``F`` features of an instance (V originals, then V augmented
ones if there is a generator), ``K`` negatives drawn from a memory bank, ``M`` = G or K.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def check_similarities(**similarities: Tensor) -> None:
    """Check that similarities are non-empty matrices with one row per instance.

    Args:
        similarities: Tensors by name, each ``[N, pairs of the instance]``.

    Raises:
        ValueError: Naming the tensor and its shape.
    """
    rows = next(iter(similarities.values())).shape[:1]
    for name, tensor in similarities.items():
        if tensor.ndim != 2 or tensor.shape[:1] != rows or 0 in tensor.shape:
            shapes = {key: tuple(value.shape) for key, value in similarities.items()}
            raise ValueError(
                f"{name} must be a non-empty matrix [instances, pairs] with as many rows as the "
                f"others, got shapes {shapes}"
            )


@dataclass(frozen=True)
class Negatives:
    """Features drawn from a memory bank, used as negatives instead of the batch.

    Attributes:
        features: ``[V, K, D]``, unit norm, one row of K draws per view.
        index: Dataset index of each draw, ``[K]``.
    """

    features: Tensor
    index: Tensor


@dataclass(frozen=True)
class PairSet:
    """Similarities s in [0, 1] of positive and negative pairs of a block of instances.

    A pair is (anchor, other): two features by number, ``f`` in [0, V) original and ``f`` in
    [V, 2V) augmented, of view ``f % V``. The other feature of a negative is of another instance.

    Attributes:
        positive: ``[Qp, B]``.
        negative: ``[Qn, B, M]``.
        valid: ``[B, M]``, False where ``negative`` compares an instance with itself.
        positive_anchor: The anchor of each of the Qp pairs.
        positive_other: The other feature of each of the Qp pairs.
        negative_anchor: The anchor of each of the Qn pairs.
        negative_other: The other feature of each of the Qn pairs.
        from_bank: Whether negatives are bank entries (always original features).
        num_views: V.
    """

    positive: Tensor
    negative: Tensor
    valid: Tensor
    positive_anchor: tuple[int, ...]
    positive_other: tuple[int, ...]
    negative_anchor: tuple[int, ...]
    negative_other: tuple[int, ...]
    from_bank: bool
    num_views: int

    def mask_negatives(self, values: Tensor, fill: float = -torch.inf) -> Tensor:
        """``values`` ``[Qn, B, M]`` with ``fill`` where an instance meets itself."""
        return values.masked_fill(~self.valid, fill)

    def positives_of(self, anchor: int) -> list[int]:
        """Rows of ``positive`` with this anchor."""
        return [row for row, feature in enumerate(self.positive_anchor) if feature == anchor]

    def negatives_of(self, anchor: int) -> list[int]:
        """Rows of ``negative`` with this anchor."""
        return [row for row, feature in enumerate(self.negative_anchor) if feature == anchor]

    def among(self, features: Sequence[int]) -> "PairSet":
        """The pairs whose two features are both in ``features``; bank entries always are."""
        kept = set(features)
        return self._select(
            lambda anchor, other: anchor in kept and other in kept,
            lambda anchor, other: anchor in kept and (self.from_bank or other in kept),
        )

    def original(self) -> "PairSet":
        """The pairs of two original features."""
        return self.among(range(self.num_views))

    def augmented(self) -> "PairSet":
        """The pairs with at least one augmented feature."""
        views = self.num_views
        return self._select(
            lambda anchor, other: anchor >= views or other >= views,
            lambda anchor, other: anchor >= views or (other >= views and not self.from_bank),
        )

    def anchored(self) -> "PairSet":
        """The pairs with at least one original feature."""
        views = self.num_views
        return self._select(
            lambda anchor, other: anchor < views or other < views,
            lambda anchor, other: anchor < views or other < views,
        )

    def across_views(self) -> "PairSet":
        """The pairs of features of different views: without same-view negatives."""
        views = self.num_views
        return self._select(lambda *_: True, lambda anchor, other: anchor % views != other % views)

    def _select(
        self, keep_positive: Callable[[int, int], bool], keep_negative: Callable[[int, int], bool]
    ) -> "PairSet":
        positive = _rows(self.positive_anchor, self.positive_other, keep_positive)
        negative = _rows(self.negative_anchor, self.negative_other, keep_negative)
        return PairSet(
            positive=_take(self.positive, positive),
            negative=_take(self.negative, negative),
            valid=self.valid,
            positive_anchor=tuple(self.positive_anchor[row] for row in positive),
            positive_other=tuple(self.positive_other[row] for row in positive),
            negative_anchor=tuple(self.negative_anchor[row] for row in negative),
            negative_other=tuple(self.negative_other[row] for row in negative),
            from_bank=self.from_bank,
            num_views=self.num_views,
        )


def _rows(
    anchors: Sequence[int], others: Sequence[int], keep: Callable[[int, int], bool]
) -> list[int]:
    pairs = zip(anchors, others, strict=True)
    return [row for row, (anchor, other) in enumerate(pairs) if keep(anchor, other)]


def _take(values: Tensor, rows: list[int]) -> Tensor:
    """Rows of ``values``; a view where they follow each other."""
    if rows and rows == list(range(rows[0], rows[-1] + 1)):
        return values[rows[0] : rows[-1] + 1]
    return values[rows]


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """``s(u, w) = (1 + u.w) / 2`` of unit features.

    Args:
        first: ``[Q, B, D]``.
        second: ``[Q, M, D]``.

    Returns:
        ``[Q, B, M]`` in [0, 1].
    """
    return torch.baddbmm(first.new_full((1, 1, 1), 0.5), first, second.transpose(1, 2), alpha=0.5)


def form_pairs(
    features: Tensor,
    augmented: Tensor | None = None,
    *,
    rows: slice | None = None,
    negatives: Negatives | None = None,
    index: Tensor | None = None,
    same_view_negatives: bool = False,
) -> PairSet:
    """Form all ordered pairs of features of different views, for a block of instances.

    Args:
        features: Original features ``[G, V, D]``, unit norm.
        augmented: Augmented features ``[G, V, D]``, unit norm, or None.
        rows: The block of instances whose pairs are formed, or None for all.
        negatives: Draws from a memory bank to use as negatives; None uses the batch.
        index: Dataset index of the G instances, ``[G]``; needed with ``negatives``.
        same_view_negatives: Whether negatives of the same view count too (NT-Xent).

    Returns:
        The similarities; pairs of two original features come first.
    """
    count, views, _ = features.shape
    everything = (
        features if augmented is None else torch.cat([features, augmented], dim=1)
    ).transpose(0, 1)  # [F, G, D]
    block = everything if rows is None else everything[:, rows]
    numbers = range(everything.shape[0])
    pairs = [(a, o) for a in numbers for o in numbers if a % views != o % views]
    pairs.sort(key=lambda pair: max(pair) >= views)
    positive_anchor, positive_other = zip(*pairs, strict=True)
    positive = (block[list(positive_anchor)] * block[list(positive_other)]).sum(-1)

    if negatives is None:
        candidates = pairs
        if same_view_negatives:
            candidates = [(a, o) for a in numbers for o in numbers]
            candidates.sort(key=lambda pair: max(pair) >= views)
        others = everything
        own = torch.arange(count, device=features.device)
        own = (own if rows is None else own[rows])[:, None]
        valid = own != torch.arange(count, device=features.device)
    else:
        if index is None:
            raise ValueError("negatives from a memory bank need the dataset index of the batch")
        candidates = [
            (a, o) for a in numbers for o in range(views) if same_view_negatives or a % views != o
        ]
        others = negatives.features
        own = (index if rows is None else index[rows])[:, None]
        valid = own != negatives.index
    negative_anchor, negative_other = zip(*candidates, strict=True)
    negative = similarity(block[list(negative_anchor)], others[list(negative_other)])
    return PairSet(
        positive=(1 + positive) / 2,
        negative=negative,
        valid=valid,
        positive_anchor=positive_anchor,
        positive_other=positive_other,
        negative_anchor=negative_anchor,
        negative_other=negative_other,
        from_bank=negatives is not None,
        num_views=views,
    )
