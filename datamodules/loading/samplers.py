"""Which images each process sees, in which order.

Both samplers are `DistributedSampler`s, so that Lightning leaves them as they are.
"""

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import NamedTuple

import torch
from torch.utils.data.distributed import DistributedSampler

from ..transforms.ranges import check, check_seed


class ViewKey(NamedTuple):
    """What the training set is asked for: an image, in an epoch."""

    epoch: int
    index: int  # type: ignore[assignment]


Order = Callable[[torch.Generator], torch.Tensor]  # gives all indices `[N]`


class TrainSampler(DistributedSampler):
    """A new order each epoch, cut into whole global batches.

    Global batch k of W processes is the k-th slice of the epoch's order; process r takes
    every W-th image of it from r on. So W processes with batches of N/W see together exactly the
    batches that one process with batches of N sees. What is left at the end of the permutation is
    dropped.

    Args:
        dataset: The training set.
        batch_size: Images per batch and process.
        seed: Seed of the order.
        rank: Number of this process.
        world_size: Number of processes.

    Attributes:
        order: Makes the order of an epoch from a generator; null takes a permutation.

    Raises:
        ValueError: If the batches of all processes together are larger than the data set.

    Examples:
        >>> from metaug.datamodules import TrainSampler
        >>> one = [key.index for key in TrainSampler(range(9), batch_size=4)]
        >>> ranks = [
        ...     [key.index for key in TrainSampler(range(9), batch_size=2, rank=rank, world_size=2)]
        ...     for rank in (0, 1)
        ... ]
        >>> (one[0::2], one[1::2]) == tuple(ranks)
        True
    """

    def __init__(
        self, dataset: Sized, *, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        check(batch_size, "batch_size", at_least=1, whole=True)
        check_seed(seed)
        super().__init__(
            dataset,  # type: ignore[arg-type]
            num_replicas=world_size,
            rank=rank,
            shuffle=True,
            seed=seed,
            drop_last=True,
        )
        self.batch_size = batch_size
        self.instances = len(dataset)
        self.batches = self.instances // (batch_size * world_size)
        self.first_batch = 0
        self.order: Order | None = None
        if self.batches == 0:
            raise ValueError(
                f"A batch of {batch_size} images on each of {world_size} process(es) needs "
                f"{batch_size * world_size} training images, but there are {self.instances}. "
                + _remedy(self.instances // world_size)
            )

    def __len__(self) -> int:
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[ViewKey]:
        """Yield the keys of this process, from `first_batch` on."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.order is None:
            order = torch.randperm(self.instances, generator=generator)
        else:
            order = self.order(generator)
        global_batch = self.batch_size * self.num_replicas
        epoch = self.epoch
        for batch in range(self.first_batch, self.batches):
            chunk = order[batch * global_batch : (batch + 1) * global_batch]
            for index in chunk[self.rank :: self.num_replicas].tolist():
                yield ViewKey(epoch, index)


def _remedy(largest: int) -> str:
    if largest < 2:
        return "Add images: a batch needs 2 or more on each process."
    return f"Lower batch_size to at most {largest}."


PADDING_INDEX = -1  # asks an evaluation set for its first image without its label


class EvaluationSampler(DistributedSampler):
    """Every image once, in order, shared out over the processes without padding or repeats.

    The shards may differ by one image in length. A process for which none is left gets
    `PADDING_INDEX`, the first image without its label: without a batch it would leave the others
    waiting.

    Args:
        dataset: The data set.
        rank: Number of this process.
        world_size: Number of processes.

    Examples:
        >>> from metaug.datamodules import EvaluationSampler
        >>> [list(EvaluationSampler(range(5), rank=rank, world_size=2)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
    """

    def __init__(self, dataset: Sized, *, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(
            dataset,  # type: ignore[arg-type]
            num_replicas=world_size,
            rank=rank,
            shuffle=False,
        )
        self.indices: Sequence[int] = range(rank, len(dataset), world_size)
        if len(dataset) and not self.indices:
            self.indices = [PADDING_INDEX]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of this process."""
        return iter(self.indices)
