"""What the processes tell each other between steps, over the CPU so that no GPU is waited for."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from .collectives import world_size

_groups: dict[str, tuple[object, Any]] = {}


def tell_all(values: Sequence[int]) -> list[list[int]]:
    """The values of all processes, in the order of their ranks; every process must call it.

    A process that has ended makes it fail at once on the others.

    Args:
        values: As many on every process.
    """
    if world_size() == 1:
        return [list(values)]
    own = torch.tensor(values, dtype=torch.int64)
    rows = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(rows, own, group=_cpu_group())
    return [row.tolist() for row in rows]


def _cpu_group() -> Any:
    world, group = _groups.get("cpu", (None, None))
    if world is not dist.group.WORLD:
        backend = dist.get_backend()
        group = None if backend == "gloo" else dist.new_group(backend="gloo")
        _groups["cpu"] = dist.group.WORLD, group
    return group


def is_lost_connection(error: BaseException) -> bool:
    """Whether a collective failed because another process has ended."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    )


def check_batch_sizes(size: int) -> None:
    """Check that every process has as many images in its batch.

    Args:
        size: Of this process's batch.

    Raises:
        ValueError: On all processes, naming the sizes.
    """
    sizes = [row[0] for row in tell_all([size])]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"the processes' batches have {' and '.join(map(str, sizes))} images, but a "
            "contrastive batch needs as many from each; use drop_last=True in the loader, or "
            "a sampler that shares the images out evenly"
        )
