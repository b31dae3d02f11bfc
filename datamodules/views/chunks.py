"""Cutting a batch of views into parts that are made at once."""

import sys
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..transforms.geometry import Images
from ..transforms.seeding import Draws, on_cpu

_CHUNK = 1 << 19  # numbers in a part of a batch that stays in a CPU's cache


def views_at_once(images: Images, size: int) -> int:
    """How many views `[C, size, size]` fit a CPU's cache; on a device all that there are."""
    if len(images) == 0 or not on_cpu(images[0]):
        return sys.maxsize
    return max(1, _CHUNK // (images[0].shape[0] * size * size))


def chunks_of_views(
    images: Images, seeds: Tensor, streams: range, size: int
) -> Iterator[tuple[Images, Draws]]:
    """Cut V views of N images into chunks that are made at once.

    Args:
        images: Images, uint8 or in [0, 1], `[N, C, H, W]` or a list of `[C, H, W]`.
        seeds: Seed of every image `[N]`.
        streams: Streams of the V views.
        size: Edge of a view.

    Yields:
        Images of a chunk, V times over, and their draws, `[V * n]`.
    """
    count, times = max(1, len(images)), len(streams)
    step = max(1, min(count, views_at_once(images, size) // times))
    for start in range(0, count, step):
        chunk = images[start : start + step]
        if not isinstance(chunk, Tensor):
            chunk = list(chunk) * times
        elif times > 1:
            chunk = chunk.repeat(times, 1, 1, 1)
        yield chunk, Draws(seeds[start : start + step], streams)


def join_chunks(chunks: Sequence[Tensor], views: int) -> list[Tensor]:
    """One tensor `[N, C, size, size]` per view of chunks `[views * n, C, size, size]`."""
    parts = [chunk.unflatten(0, (views, -1)) for chunk in chunks]
    return list(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
