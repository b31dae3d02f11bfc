"""Features that were encoded once, served from memory in place of images."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class FeatureBatch(NamedTuple):
    """Features of images.

    Attributes:
        feature: ``[N, F]``.
        target: Class of every image ``[N]``; -1 where there is no label.
        index: Position of every image in its data set ``[N]``; -1 where it is not known.
    """

    feature: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]


class FeatureBatches:
    """A loader of features; shuffled by epoch, each process a slice of every batch, or in order.

    Args:
        features: All features; the same on every process where they are shuffled.
        batch_size: Images per batch and process; at most what there is.
        epoch: Tells the present epoch, where features are to be shuffled; null keeps their order.
        seed: Seed of the order.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        features: FeatureBatch,
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

    def __iter__(self) -> Iterator[FeatureBatch]:
        """Yield batches; where shuffled, whole ones only."""
        images = len(self.features.target)
        order = torch.arange(images)
        if self.epoch is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch())
            order = torch.randperm(images, generator=generator)
        order = order.to(self.features.feature.device)
        whole = self.batch_size * self.world_size
        for batch in range(len(self)):
            chosen = order[batch * whole : (batch + 1) * whole]
            if self.epoch is not None:
                chosen = chosen[self.rank :: self.world_size]
            yield FeatureBatch(*(column[chosen] for column in self.features))


def encode_all(
    loader: Iterable[Any], encode: Callable[[Tensor], Tensor], device: torch.device
) -> FeatureBatch:
    """Features of the labelled images of a loader, without a graph, on the CPU.

    Args:
        loader: Yields ``(image, target)`` or ``(image, target, index)``.
        encode: Maps images ``[N, C, H, W]`` to ``[N, F]``.
        device: Where to encode.
    """
    parts = []
    with torch.no_grad():
        for batch in loader:
            image, target = batch[0], batch[1]
            index = batch[2] if len(batch) > 2 else torch.full_like(target, -1)
            feature = encode(image.to(device, non_blocking=True)).float()
            known = target.cpu() >= 0
            parts.append((feature.cpu()[known], target.cpu()[known], index.cpu()[known]))
    if not parts:
        nothing = torch.zeros(0, dtype=torch.int64)
        return FeatureBatch(torch.zeros(0, 0), nothing, nothing)
    return FeatureBatch(*(torch.cat(column) for column in zip(*parts, strict=True)))


def gather_all(own: FeatureBatch) -> FeatureBatch:
    """The features of all processes in the order of their index, on every process."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return own
    shards: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(shards, tuple(own))
    shards = [shard for shard in shards if len(shard[1])] or shards[:1]
    whole = FeatureBatch(*(torch.cat(column) for column in zip(*shards, strict=True)))
    order = whole.index.argsort(stable=True)
    return FeatureBatch(*(column[order] for column in whole))
