"""Nearest neighbors in a bank of representations, exact on any number of processes.

Shapes: `Q` queries, `B` bank images, `F` features, `k` neighbors.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from metaug.lightning_modules.distributed.collectives import rank, row_counts, world_size
from metaug.lightning_modules.evaluation.labeled import Features
from torch import Tensor

Metric = Literal["cosine", "euclidean"]


class Neighbors(NamedTuple):
    """The nearest bank images of each query, nearest first: similarity, label, index, `[Q, k]`."""

    similarity: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]

    def closest(self, k: int) -> "Neighbors":
        """The k most similar; of equally similar ones those with the smaller index."""
        by_index = self.index.argsort(dim=1)
        similarity = self.similarity.gather(1, by_index)
        best = similarity.sort(dim=1, descending=True, stable=True).indices[:, :k]
        order = by_index.gather(1, best)
        return Neighbors(*(part.gather(1, order) for part in self))

    def first(self, k: int) -> "Neighbors":
        """The k nearest of neighbors that `closest` put in order."""
        return Neighbors(*(part[:, :k] for part in self))


def prepare(value: Tensor, metric: Metric) -> Tensor:
    """Vectors ready to compare: in double precision where the device has it, unit for cosine."""
    value = value.to(torch.float32 if value.device.type == "mps" else torch.float64)
    return F.normalize(value, dim=1) if metric == "cosine" else value


def similarity(queries: Tensor, bank: Tensor, metric: Metric) -> Tensor:
    """Similarity `[Q, B]` of prepared vectors: the cosine, or minus the Euclidean distance.

    Rounded to 2^-40, so that equal images tie however the product was blocked.
    """
    if metric == "cosine":
        value = queries @ bank.T
    elif metric == "euclidean":
        value = -torch.cdist(queries, bank, compute_mode="donot_use_mm_for_euclid_dist")
    else:
        raise ValueError(f"metric={metric!r} is not known; use 'cosine' or 'euclidean'")
    grain = 2.0**40 if value.dtype is torch.float64 else 2.0**20
    return value.mul_(grain).round_().div_(grain)


def nearest(
    queries: Tensor, bank: Features, k: int, metric: Metric, chunk: int, *, prepared: bool = False
) -> Neighbors:
    """The k nearest of the bank (all of it, if it is smaller), searched in chunks of the bank.

    `prepared` says that the bank went through `prepare`.
    """
    queries = prepare(queries, metric)
    # [Q, k] best so far, merged with the best of each chunk of the bank
    best: Neighbors | None = None
    for start in range(0, max(len(bank.value), 1), chunk):
        part = Features(*(column[start : start + chunk] for column in bank))
        value = part.value if prepared else prepare(part.value, metric)
        nearby = _top(similarity(queries, value, metric), part, k)
        if best is not None:
            pairs = zip(best, nearby, strict=True)
            nearby = Neighbors(*(torch.cat(pair, dim=1) for pair in pairs)).closest(k)
        best = nearby
    assert best is not None
    return best


def _top(value: Tensor, bank: Features, k: int) -> Neighbors:
    k = min(k, value.shape[1])
    top, column = value.topk(k, dim=1)
    if k:
        crowded = (value >= top[:, -1:]).sum(1) > k
        if bool(crowded.any()):  # more ties than places: the smallest index first
            by_index = bank.index.argsort()
            ordered = value[crowded][:, by_index].sort(dim=1, descending=True, stable=True)
            top[crowded] = ordered.values[:, :k]
            column[crowded] = by_index[ordered.indices[:, :k]]
    return Neighbors(top, bank.target[column], bank.index[column])


def search(
    queries: Tensor,
    bank: Features,
    k: int,
    metric: Metric,
    *,
    query_chunk: int = 512,
    bank_chunk: int = 8192,
) -> Iterator[Neighbors]:
    """The k nearest in the bank of this process's queries, a chunk of queries at a time, in order.

    On several processes each holds a shard of the bank and of the queries, and all must iterate to
    the end: chunks of queries visit every shard and the local neighbors are merged, so the result
    is that of one process. Memory is bounded by `query_chunk * bank_chunk` similarities.

    Args:
        queries: `[Q, F]`, this process's queries.
        bank: This process's bank; every image of it has a label.
        k: Neighbors; a smaller bank gives all its images.
        metric: "cosine" or "euclidean".
        query_chunk: Queries searched at once.
        bank_chunk: Bank images compared at once.
    """
    counts = row_counts(bank.value)
    prepared = bank.value.numel() <= 2**26
    if prepared:
        bank = bank._replace(value=prepare(bank.value, metric))
    for owner, chunk in _chunks_of_all(queries, query_chunk):
        local = nearest(chunk, bank, k, metric, bank_chunk, prepared=prepared)
        merged = _merge(local, k, counts)
        if owner == rank():
            yield merged


def _chunks_of_all(queries: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    """Every process's queries in turn, a chunk at a time, seen by all processes."""
    for owner, count in enumerate(row_counts(queries)):
        for start in range(0, count, size):
            if owner == rank():
                chunk = queries[start : start + size].contiguous()
            else:
                chunk = queries.new_empty(min(size, count - start), queries.shape[1])
            if world_size() > 1:
                dist.broadcast(chunk, src=owner)
            yield owner, chunk


def _merge(local: Neighbors, k: int, counts: list[int]) -> Neighbors:
    """The best k of every process's neighbors of the same queries."""
    if world_size() == 1:
        return local
    # shards smaller than k are padded with neighbors that are never chosen, [Q, k] each
    missing = (0, min(k, max(counts)) - local.similarity.shape[1])
    padded = (
        F.pad(local.similarity, missing, value=-torch.inf),
        F.pad(local.label, missing),
        F.pad(local.index, missing, value=2**62),
    )
    # [Q, processes * k], of which the best k
    merged = []
    for part in padded:
        shards = [torch.empty_like(part) for _ in counts]
        dist.all_gather(shards, part.contiguous())
        merged.append(torch.cat(shards, dim=1))
    return Neighbors(*merged).closest(min(k, sum(counts)))
