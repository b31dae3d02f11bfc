"""Weighted nearest-neighbor classification of representations, exact on any number of processes.

Shapes: `Q` queries, `F` features, `k` neighbors.
"""

from collections.abc import Sequence

import torch
from metaug.lightning_modules.distributed.collectives import all_sum
from metaug.lightning_modules.evaluation.labeled import Features
from torch import Tensor

from .neighbors import Metric, Neighbors, search
from .probe import Probe


def vote(
    neighbors: Neighbors, num_classes: int, temperature: float, metric: Metric = "cosine"
) -> Tensor:
    """Predicted class `[Q]`: each neighbor votes with weight exp(s / T), or 1 / distance.

    Args:
        neighbors: `[Q, k]` similarities and labels in `0 .. num_classes - 1`.
        num_classes: Number of classes.
        temperature: T of the cosine vote; the Euclidean vote, 1 / distance, has none.
        metric: What the similarities are.

    Returns:
        The class with most votes; of tied classes the smallest.
    """
    closeness = neighbors.similarity  # [Q, k]
    if metric == "cosine":
        weight = ((closeness - closeness.amax(1, keepdim=True)) / temperature).exp()
    else:
        weight = 1 / (1e-6 - closeness)
        weight = weight / weight.amax(1, keepdim=True)
    votes = weight.new_zeros(len(closeness), num_classes).scatter_add_(1, neighbors.label, weight)
    votes = (votes * 2.0**32).round()  # [Q, classes], so that equal sums tie in any order
    classes = torch.arange(num_classes, device=votes.device).expand_as(votes)
    winners = votes == votes.amax(1, keepdim=True)
    return classes.where(winners, num_classes).amin(1)


def check_votes(votes: Sequence[tuple[int, float]]) -> None:
    """Refuse a k below 1, a temperature that is not above 0.

    Args:
        votes: Pairs of k and temperature.

    Raises:
        ValueError: For the first such pair.
    """
    for k, temperature in votes:
        if k < 1:
            raise ValueError(f"k={k} neighbors cannot vote; use k >= 1")
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}, but it must be above 0")


def warn_of_small_bank(probe: Probe, bank: Features, k: int) -> None:
    """Warn once if the bank of all processes has fewer than k images.

    Args:
        probe: Whose bank it is.
        bank: This process's bank.
        k: Neighbors that vote.
    """
    size = int(all_sum(bank.target.new_tensor(len(bank.target))))
    if size < k:
        probe.warn_once(
            f"{probe.name}: k={k} is larger than the bank; all {size} of its images vote. "
            f"Set k to {size} or less."
        )


def knn_predict_grid(
    queries: Tensor,
    bank: Features,
    num_classes: int,
    votes: Sequence[tuple[int, float]],
    *,
    metric: Metric = "cosine",
    query_chunk: int = 512,
    bank_chunk: int = 8192,
) -> list[Tensor]:
    """What `knn_predict` predicts for several k and temperatures, by one search of the bank.

    Args:
        queries: `[Q, F]`, this process's queries.
        bank: This process's bank; every image of it has a label.
        num_classes: Number of classes over all processes.
        votes: Pairs of k and temperature.
        metric: "cosine" or "euclidean".
        query_chunk: Queries searched at once.
        bank_chunk: Bank images compared at once.

    Returns:
        Class `[Q]` for this process's queries, for each pair.
    """
    check_votes(votes)
    most = max(k for k, _ in votes)
    predictions = [[queries.new_zeros(0, dtype=torch.long)] for _ in votes]
    chunks = search(queries, bank, most, metric, query_chunk=query_chunk, bank_chunk=bank_chunk)
    for neighbors in chunks:
        in_order = neighbors.closest(most)
        for (k, temperature), predicted in zip(votes, predictions, strict=True):
            predicted.append(vote(in_order.first(k), num_classes, temperature, metric))
    return [torch.cat(predicted) for predicted in predictions]


def knn_predict(
    queries: Tensor,
    bank: Features,
    num_classes: int,
    *,
    k: int = 200,
    temperature: float = 0.1,
    metric: Metric = "cosine",
    query_chunk: int = 512,
    bank_chunk: int = 8192,
) -> Tensor:
    """Predicted class of each query by a weighted vote of its k nearest in the bank.

    The result does not depend on the number of processes or the chunks, see `search`.

    Args:
        queries: `[Q, F]`, this process's queries.
        bank: This process's bank; every image of it has a label.
        num_classes: Number of classes over all processes.
        k: Neighbors that vote; all of a smaller bank vote.
        temperature: Of the cosine vote, see `vote`.
        metric: "cosine" or "euclidean".
        query_chunk: Queries searched at once.
        bank_chunk: Bank images compared at once.

    Returns:
        Class `[Q]` for this process's queries.
    """
    (predicted,) = knn_predict_grid(
        queries,
        bank,
        num_classes,
        [(k, temperature)],
        metric=metric,
        query_chunk=query_chunk,
        bank_chunk=bank_chunk,
    )
    return predicted
