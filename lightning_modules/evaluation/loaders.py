"""How evaluation reads its loaders: in fixed order, nothing twice, each process a shard."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
)

from ..distributed.collectives import rank, world_size


def evaluation_loader(loader: Iterable[Any]) -> Iterable[Any]:
    """The same images as `loader`, in a fixed order, each process a different part of them.

    A map-style `DataLoader` is rebuilt over the indices of its sampler: sorted, without repeats,
    nothing dropped, sharded, with a random generator of its own. A loader that already has a
    `DistributedSampler` is left as it is, and so is everything else that can be iterated.

    Raises:
        ValueError: on several processes, if the loader cannot be sharded.
    """
    if isinstance(loader, list) and not loader:  # a datamodule without such images
        return loader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        if world_size() > 1:
            raise ValueError(
                f"A {type(loader).__name__} over an iterable cannot be sharded over "
                f"{world_size()} processes. Pass a DataLoader over a map-style dataset."
            )
        return loader
    if isinstance(loader.sampler, DistributedSampler):
        return loader
    if type(loader.batch_sampler) is not BatchSampler or loader.batch_size is None:
        if world_size() > 1:
            raise ValueError(
                f"A loader with batch_sampler={type(loader.batch_sampler).__name__} cannot be "
                f"sharded over {world_size()} processes. Pass a DataLoader with a sampler."
            )
        return loader
    if isinstance(loader.sampler, SequentialSampler) or len(loader.sampler) >= len(loader.dataset):  # type: ignore[arg-type]
        chosen = list(range(len(loader.dataset)))  # type: ignore[arg-type]
    else:
        chosen = sorted(set(loader.sampler))
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=chosen[rank() :: world_size()],
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        generator=torch.Generator(),
    )


def sampler_indices(loader: Any) -> list[int] | None:
    """Dataset indices in the order in which `loader` yields them; None where it does not say."""
    if isinstance(loader, list) and not loader:  # a datamodule without such images
        return loader
    if not isinstance(loader, DataLoader) or type(loader.batch_sampler) is not BatchSampler:
        return None
    if not isinstance(loader.sampler, SequentialSampler | DistributedSampler | list):
        return None
    indices = list(loader.sampler)
    return indices if all(isinstance(index, int) for index in indices) else None
