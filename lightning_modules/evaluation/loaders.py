"""How evaluation reads its loaders: in fixed order, nothing twice, each process a shard."""

import math
from collections.abc import Callable, Iterable, Iterator
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
from .labeled import Features


def evaluation_loader(loader: Iterable[Any]) -> Iterable[Any]:
    """The same images as `loader`, in a fixed order, each process a different part of them.

    A map-style `DataLoader` is rebuilt over the indices of its sampler: sorted, without repeats,
    nothing dropped, sharded, with a random generator of its own. A loader that already has a
    `DistributedSampler` is left as it is, and so is everything else that can be iterated.

    Raises:
        ValueError: On several processes, if the loader cannot be sharded.
    """
    if isinstance(loader, list) and not loader:  # a datamodule without such images
        return loader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        if world_size() > 1:
            raise ValueError(
                f"a {type(loader).__name__} over an iterable cannot be sharded over "
                f"{world_size()} processes; give a DataLoader over a map-style dataset"
            )
        return loader
    if isinstance(loader.sampler, DistributedSampler):
        return loader
    if type(loader.batch_sampler) is not BatchSampler or loader.batch_size is None:
        if world_size() > 1:
            raise ValueError(
                f"a loader with batch_sampler={type(loader.batch_sampler).__name__} cannot be "
                f"sharded over {world_size()} processes; give a DataLoader with a sampler"
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


class FeatureLoader:
    """A loader of cached features, in their order or, in training, in a random order by epoch.

    Args:
        features: All features; the same on every process where they are shuffled.
        batch_size: Images per batch and process; at most what there is.
        epoch: Tells the present epoch; given, features are shuffled by it, each process has a slice
            of every batch, and there are full batches only. Null keeps the order.
        seed: Seed of the order.
        rank: Rank of this process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        features: Features,
        batch_size: int,
        *,
        epoch: Callable[[], int] | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.features = features
        self.epoch = epoch
        self.seed = seed
        self.rank = rank
        self.world_size = world_size if epoch is not None else 1
        self.batch_size = min(batch_size, max(1, len(features.target) // self.world_size))

    def __len__(self) -> int:
        images = len(self.features.target)
        if self.epoch is None:
            return math.ceil(images / self.batch_size)
        return images // (self.batch_size * self.world_size)

    def __iter__(self) -> Iterator[Features]:
        order = torch.arange(len(self.features.target))
        if self.epoch is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch())
            order = torch.randperm(len(order), generator=generator)
        order = order.to(self.features.value.device)
        size = self.batch_size * self.world_size  # of the batch of all processes
        for batch in range(len(self)):
            rows = order[batch * size : (batch + 1) * size]
            yield self.features.take(rows[self.rank :: self.world_size])
