"""Random blur and noise, for a batch at once, each image by its own parameters.

Kornia's Gaussian blur takes 1.0 to 1.1 times as long as this one (2026-11-26, 2 cores with AVX2,
one thread; `python -m benchmarks.data.kornia`), but has one kernel size for all images, where this
one ends at 3 sigma of each: its results differ by up to 5e-4, and it refuses images that are
smaller than half its kernel.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .color import Change, ColorJitter, apply_to, column
from .ranges import check, check_pair, check_part
from .seeding import Draws, on_cpu


class GaussianBlur(Change):
    """A Gaussian blur of random width.

    Args:
        sigma: Smallest and largest standard deviation, in pixels.
        probability: Part of the images that is changed.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import GaussianBlur
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = GaussianBlur(sigma=(0.1, 2.0))
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0), probability: float = 0.5) -> None:
        self.sigma = check_pair(sigma, "sigma", above=0)
        check_part(probability, "probability")
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        sigma = draws.uniform(*self.sigma)
        return apply_to(images, chosen, lambda rows, s: blur(rows, s, self.sigma[1]), sigma)


def blur(images: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """Blur images, edges mirrored.

    Args:
        images: Images `[N, C, H, W]`.
        sigma: Standard deviation of every image's blur in pixels `[N]`; it reaches out to 3 sigma.
        largest: Upper bound of sigma, so that a device need not be asked.

    Returns:
        Images `[N, C, H, W]`.
    """
    # taps on one side of every image `[N]`, and of the whole batch
    reaches = (3 * sigma).ceil().clamp_(1, min(images.shape[2:]) - 1)
    bound = int(reaches.max()) if on_cpu(images) else math.ceil(3 * largest)
    reach = max(1, min(bound, min(images.shape[2:]) - 1))
    # weights of the taps 0, 1, ... to either side, 0 beyond an image's own reach: `[N, reach + 1]`
    offsets = torch.arange(reach + 1, device=images.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None]).square())
    weights = torch.where(offsets <= reaches[:, None], weights, 0.0)
    # summed tap by tap, so that an image's sum does not depend on the reach of its batch
    total = weights[:, 0].clone()
    for step in range(1, reach + 1):
        total.add_(weights[:, step], alpha=2.0)
    weights = weights / total[:, None]
    # columns, then rows: both neighbors at a distance share a weight
    for dim in (2, 3):
        padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        padded = F.pad(images, padding, mode="reflect")
        length = images.shape[dim]
        images = padded.narrow(dim, reach, length) * column(weights[:, 0])
        pair = torch.empty_like(images)
        for step in range(1, reach + 1):
            before = padded.narrow(dim, reach - step, length)
            torch.add(before, padded.narrow(dim, reach + step, length), out=pair)
            images.addcmul_(pair, column(weights[:, step]))
    return images


class Noise(Change):
    """Gaussian noise on every pixel.

    Args:
        strength: Its standard deviation, on images in [0, 1].
        probability: Part of the images that is changed.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import Noise
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = Noise(0.1)
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(self, strength: float = 0.1, probability: float = 1.0) -> None:
        check(strength, "strength", at_least=0)
        check_part(probability, "probability")
        self.strength = strength
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        noise = draws.normals(images[0].numel()).view_as(images).mul_(self.strength)
        return apply_to(images, chosen, lambda rows, n: (rows + n).clamp_(0, 1), noise)


def changes_without_colors(
    jitter: float,
    jitter_probability: float,
    blur: float,
    blur_sigma: tuple[float, float],
    noise: float,
) -> list[Change]:
    """Brightness and contrast, blur and noise: what any number of channels can have.

    What has strength or probability 0 is left out, and draws no random numbers.

    Args:
        jitter: Brightness and contrast within 1 ± this.
        jitter_probability: Part of the images with jitter.
        blur: Part of the images that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        noise: Standard deviation of the noise, on images in [0, 1].
    """
    check_part(blur, "blur")
    check_pair(blur_sigma, "blur_sigma", above=0)
    check(noise, "noise", at_least=0)
    changes: list[Change] = []
    if jitter > 0 and jitter_probability > 0:
        changes.append(ColorJitter(jitter, jitter, 0.0, 0.0, jitter_probability))
    if blur > 0:
        changes.append(GaussianBlur(blur_sigma, blur))
    if noise > 0:
        changes.append(Noise(noise))
    return changes
