"""Small collectives that also work on one process, on uneven and on empty shards."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes; 1 when no process group is initialized."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Rank of this process; 0 when no process group is initialized."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def gather_to_first(value: Any) -> list[Any]:
    """What every process has, in the order of their ranks; only on process 0, elsewhere its own.

    Args:
        value: Anything that can be pickled; every process must come here.
    """
    if world_size() == 1:
        return [value]
    values: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(value, values)
    return [value] if values is None else values


def all_sum(value: Tensor) -> Tensor:
    """Sum of `value` over processes; the same bits everywhere."""
    if world_size() == 1:
        return value
    total = value.clone()
    dist.all_reduce(total, op=dist.ReduceOp.SUM)
    return total


def all_max(value: int, device: torch.device) -> int:
    """Largest `value` over processes."""
    if world_size() == 1:
        return value
    largest = torch.tensor(value, device=device)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)


def row_counts(rows: Tensor) -> list[int]:
    """Number of rows that each process holds, in rank order."""
    if world_size() == 1:
        return [len(rows)]
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(world_size())]
    dist.all_gather(counts, count)
    return [int(c) for c in counts]


def gather_rows(rows: Tensor) -> Tensor:
    """Rows of all processes in rank order; shards may differ in length or be empty.

    Args:
        rows: `[N_r, ...]`, the shard of this process; trailing axes are the same everywhere.

    Returns:
        `[sum of N_r, ...]` on every process.
    """
    if world_size() == 1:
        return rows
    counts = row_counts(rows)
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    shards = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(shards, padded)
    return torch.cat([shard[:count] for shard, count in zip(shards, counts, strict=True)])
