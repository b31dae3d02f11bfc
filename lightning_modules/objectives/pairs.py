"""Pairs of features and their similarities: what every objective is made of.

Letters: `B` instances whose losses are computed (a block of rows), `G` instances of the global
batch, `V` views, `D` feature size, `K` negatives drawn from a memory bank, `M` = G or K, `Q` pairs
of features, of which `Qp` are compared within an instance and `Qn` between instances.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Negatives:
    """Features drawn from a memory bank, used as negatives instead of the batch.

    Attributes:
        features: `[V, K, D]`, unit norm, one row of K draws per view.
        index: Dataset index of each draw, `[K]`.
    """

    features: Tensor
    index: Tensor


@dataclass(frozen=True)
class PairSet:
    """Similarities s in [0, 1] of positive and negative pairs of a block of instances.

    A pair is (anchor, other), two features by number: v in [0, V) is the original feature of view
    v, V + v its augmented one, 2V + v the memory bank's. The other feature of a negative is of
    another instance. Subsets are chosen by an `[anchor, other]` mask of numbers.

    Attributes:
        positive: `[Qp, B]`.
        negative: `[Qn, B, M]`.
        bias: `[B, M]`, minus infinity where `negative` compares an instance with itself, else 0.
        compared: Number of the M that are other instances, `[B]` or one for all.
        positive_pairs: Anchor and other of each row of `positive`, `[Qp, 2]`.
        negative_pairs: Anchor and other of each row of `negative`, `[Qn, 2]`.
        num_views: V.
        fixed_originals: Whether no gradient reaches the original features.
    """

    positive: Tensor
    negative: Tensor
    bias: Tensor
    compared: Tensor | int
    positive_pairs: np.ndarray
    negative_pairs: np.ndarray
    num_views: int
    fixed_originals: bool = False

    @property
    def anchors(self) -> list[int]:
        """The anchors of positive pairs, each once."""
        return np.unique(self.positive_pairs[:, 0]).tolist()

    @property
    def valid(self) -> Tensor:
        """`[B, M]`, False where `negative` compares an instance with itself."""
        return self.bias == 0

    def mask_negatives(self, values: Tensor) -> Tensor:
        """`values` `[Qn, B, M]` with minus infinity where an instance meets itself."""
        return values + self.bias

    def original(self) -> "PairSet":
        """The pairs without an augmented feature."""
        augmented = self._numbers // self.num_views == 1
        pairs = self._where(~augmented[:, None] & ~augmented)
        if not self.fixed_originals:
            return pairs
        return replace(pairs, positive=pairs.positive.detach(), negative=pairs.negative.detach())

    def augmented(self) -> "PairSet":
        """The pairs with at least one augmented feature."""
        augmented = self._numbers // self.num_views == 1
        return self._where(augmented[:, None] | augmented)

    def anchored(self) -> "PairSet":
        """The pairs without those of two augmented features."""
        augmented = self._numbers // self.num_views == 1
        return self._where(~(augmented[:, None] & augmented))

    def across_views(self) -> "PairSet":
        """The pairs of features of different views: without same-view negatives."""
        view = self._numbers % self.num_views
        return self._where(view[:, None] != view)

    def among(self, features: Sequence[int]) -> "PairSet":
        """The pairs whose two features are both in `features`; bank entries always are."""
        kept = np.isin(self._numbers, features) | (self._numbers // self.num_views == 2)
        return self._where(kept[:, None] & kept)

    def of_anchor(self, anchor: int) -> "PairSet":
        """The pairs with this anchor."""
        return self._where(np.broadcast_to((self._numbers == anchor)[:, None], [self._count] * 2))

    @property
    def _count(self) -> int:
        return 3 * self.num_views

    @property
    def _numbers(self) -> np.ndarray:
        return np.arange(self._count)

    def _where(self, mask: np.ndarray) -> "PairSet":
        """The pairs that a mask `[anchor, other]` chooses, in their order."""
        positive = np.flatnonzero(mask[tuple(self.positive_pairs.T)])
        negative = np.flatnonzero(mask[tuple(self.negative_pairs.T)])
        return replace(
            self,
            positive=_take(self.positive, positive.tolist()),
            negative=_take(self.negative, negative.tolist()),
            positive_pairs=self.positive_pairs[positive],
            negative_pairs=self.negative_pairs[negative],
        )


def _take(values: Tensor, rows: list[int]) -> Tensor:
    """Rows of `values`; a view where they follow each other."""
    if rows == list(range(len(values))):
        return values
    if rows and rows == list(range(rows[0], rows[-1] + 1)):
        return values[rows[0] : rows[-1] + 1]
    if values.device.type == "cpu":
        return values[rows]
    return values.index_select(0, _index_on(values.device, tuple(rows)))


@lru_cache(maxsize=512)
def _index_on(device: torch.device, rows: tuple[int, ...]) -> Tensor:
    """Row numbers on an accelerator, made once: a list as an index waits for it each time."""
    with torch.inference_mode(False):
        return torch.tensor(rows, device=device)


@lru_cache(maxsize=8)
def _half(like: torch.dtype, device: torch.device) -> Tensor:
    """One half, made once a device."""
    with torch.inference_mode(False):
        return torch.full((), 0.5, dtype=like, device=device)


@lru_cache(maxsize=4)
def _own_columns(count: int, start: int, stop: int, device: torch.device) -> Tensor:
    """`[stop - start, count]`, minus infinity where a row's instance meets itself, made once."""
    with torch.inference_mode(False):
        bias = torch.zeros(stop - start, count, device=device)
        bias.diagonal(start).fill_(-torch.inf)
        return bias


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """`s(u, w) = (1 + u.w) / 2` of unit features.

    Args:
        first: `[Q, B, D]`.
        second: `[Q, M, D]`.

    Returns:
        `[Q, B, M]` in [0, 1].
    """
    half = _half(first.dtype, first.device)
    return torch.baddbmm(half, first, second.transpose(1, 2), alpha=0.5)


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
        features: Original features `[G, V, D]`, unit norm.
        augmented: Augmented features `[G, V, D]`, unit norm, or None.
        rows: The block of instances whose pairs are formed, or None for all.
        negatives: Draws from a memory bank to use as negatives; None uses the batch.
        index: Dataset index of the G instances, `[G]`; needed with `negatives`.
        same_view_negatives: Whether negatives of the same view count too (NT-Xent).

    Returns:
        The similarities; pairs of two original features come first.

    Raises:
        ValueError: If `augmented` has another shape, or `negatives` come without `index`.
    """
    count, views, _ = features.shape
    if augmented is not None and augmented.shape != features.shape:
        raise ValueError(
            f"a generator must map features [N, V, D] = {list(features.shape)} to augmented ones "
            f"of the same shape, got {list(augmented.shape)}"
        )
    own_rows = slice(None) if rows is None else rows
    # all features of an instance, [F, G, D], and those of the block, [F, B, D]
    everything = _features_by_number(features, augmented)
    block = everything if rows is None else everything[:, rows]

    # positives: the features of one instance, [Qp, B, D] each
    numbers = range(everything.shape[0])
    positive_pairs = _ordered(numbers, numbers, views)
    anchor, other = (column.tolist() for column in positive_pairs.T)
    positive = (_take(block, anchor) * _take(block, other)).sum(-1)

    # negatives: features of the block against those of all instances, or of the bank, [Qn, M, D]
    compared: Tensor | int
    if negatives is None:
        candidates = numbers
        start, stop, _ = own_rows.indices(count)
        bias, compared = _own_columns(count, start, stop, features.device), count - 1
    else:
        if index is None:
            raise ValueError("negatives from a memory bank need the dataset index of the batch")
        candidates = range(2 * views, 3 * views)
        same = index[own_rows, None] == negatives.index
        bias = torch.zeros_like(same, dtype=features.dtype).masked_fill_(same, -torch.inf)
        compared = (~same).sum(dim=1)
    negative_pairs = _ordered(numbers, candidates, views, same_view=same_view_negatives)
    anchors, others = _sides(negative_pairs, block, everything, negatives)
    half = _half(features.dtype, features.device)
    return PairSet(
        positive=torch.add(half, positive, alpha=0.5),
        negative=similarity(anchors, others),
        bias=bias,
        compared=compared,
        positive_pairs=positive_pairs,
        negative_pairs=negative_pairs,
        num_views=views,
        fixed_originals=not features.requires_grad,
    )


def compared_features(
    pairs: PairSet,
    features: Tensor,
    augmented: Tensor | None = None,
    *,
    rows: slice | None = None,
    negatives: Negatives | None = None,
) -> tuple[Tensor, Tensor]:
    """The features whose similarities `pairs.negative` holds.

    Args:
        pairs: What `form_pairs` made of the same arguments.
        features: As given to `form_pairs`.
        augmented: Likewise.
        rows: Likewise.
        negatives: Likewise.

    Returns:
        The anchors, `[Qn, B, D]`, and those they are compared with, `[Qn, M, D]`.
    """
    everything = _features_by_number(features, augmented)
    block = everything if rows is None else everything[:, rows]
    return _sides(pairs.negative_pairs, block, everything, negatives)


def _features_by_number(features: Tensor, augmented: Tensor | None) -> Tensor:
    """All features of an instance, `[F, G, D]`."""
    both = features if augmented is None else torch.cat([features, augmented], dim=1)
    return both.transpose(0, 1)


def _sides(
    pairs: np.ndarray, block: Tensor, everything: Tensor, negatives: Negatives | None
) -> tuple[Tensor, Tensor]:
    """Anchors and others of negative pairs; of a memory bank the numbers begin at 2V."""
    anchor, other = (column.tolist() for column in pairs.T)
    if negatives is None:
        return _take(block, anchor), _take(everything, other)
    start = 2 * len(negatives.features)
    return _take(block, anchor), _take(negatives.features, [number - start for number in other])


def _ordered(anchors: range, others: range, views: int, *, same_view: bool = False) -> np.ndarray:
    """Pairs of numbers `[Q, 2]` of different views, those without an augmented feature first."""
    pairs = [(a, o) for a in anchors for o in others if same_view or a % views != o % views]
    return np.array(sorted(pairs, key=lambda pair: any(n // views == 1 for n in pair)))
