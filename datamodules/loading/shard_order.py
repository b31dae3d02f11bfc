"""The order of an epoch over shards: one shard after the other, through a shuffle buffer."""

import torch
from torch import Tensor


class ShardOrder:
    """Shards in a random order, their images one after the other, each moved by a few places.

    An image moves by fewer than `buffer` places, as through a shuffle buffer of that size; none is
    held, for what is shuffled are numbers. So neighbors of the order lie in few shards, near each
    other.

    Args:
        shards: Number of the shard of every image `[N]`, int64; images of a shard in their order.
        buffer: How many places.

    Examples:
        >>> import torch
        >>> order = ShardOrder(torch.tensor([0, 0, 0, 1, 1, 2]), buffer=1)
        >>> order(torch.Generator().manual_seed(1)).tolist()
        [5, 0, 1, 2, 3, 4]
    """

    def __init__(self, shards: Tensor, buffer: int) -> None:
        self.shards = shards
        self.buffer = buffer

    def __call__(self, generator: torch.Generator) -> Tensor:
        """All indices `[N]` in the order of an epoch."""
        count = int(self.shards.max()) + 1
        turn = torch.randperm(count, generator=generator)  # of each shard
        in_turn = turn[self.shards].sort(stable=True).indices
        place = torch.arange(len(in_turn), dtype=torch.float64)
        moved = place + self.buffer * torch.rand(
            place.shape, dtype=place.dtype, generator=generator
        )
        return in_turn[moved.argsort(stable=True)]
