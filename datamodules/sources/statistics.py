"""Mean and standard deviation of every channel of a source's images."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from .image_source import ImageSource

_BLOCK = 1024  # images whose reading is asked for at once


@dataclass(frozen=True)
class ChannelStatistics:
    """What normalizes images.

    Attributes:
        mean: Mean of every channel, on images in [0, 1].
        std: Standard deviation of every channel.
        images: How many images were read.
    """

    mean: list[float]
    std: list[float]
    images: int


def channel_statistics(source: ImageSource, threads: int = 1) -> ChannelStatistics:
    """Mean and standard deviation over all pixels of all images, in float64.

    Images are taken as they are read, not resized: each pixel counts once. Each image's sums are
    taken about its own mean and then joined (Chan, Golub and LeVeque, 1979), in order, so that the
    result is exact to rounding and does not depend on the threads.

    Args:
        source: The images; what is unreadable is left out.
        threads: How many images to read at once.

    Raises:
        ValueError: If no image can be read.
    """
    images, count = 0, 0
    mean = squares = torch.zeros(())
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(source), _BLOCK):
            block = range(start, min(start + _BLOCK, len(source)))
            for part in pool.map(lambda index: _of_one(source, index), block):
                if part is None:
                    continue
                more, its_mean, its_squares = part
                if count == 0:
                    mean, squares = torch.zeros_like(its_mean), torch.zeros_like(its_mean)
                gap = its_mean - mean
                mean = mean + gap * (more / (count + more))
                squares = squares + its_squares + gap.square() * (count * more / (count + more))
                images, count = images + 1, count + more
    if not images:
        raise ValueError(f"None of the {len(source)} images can be read.")
    return ChannelStatistics(mean.tolist(), (squares / count).sqrt().tolist(), images)


def _of_one(source: ImageSource, index: int) -> tuple[int, Tensor, Tensor] | None:
    """Pixels of an image, their mean `[C]` and the sum of their squares about it `[C]`."""
    image = source.read([index])[0]
    unreadable = source.unreadable
    if unreadable is not None and unreadable[index]:
        return None
    pixels = image.flatten(1).to(torch.float64)  # [C, H * W]
    pixels = pixels / 255 if image.dtype == torch.uint8 else pixels
    mean = pixels.mean(1)
    return pixels.shape[1], mean, (pixels - mean[:, None]).square().sum(1)
