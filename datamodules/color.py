"""Random changes of colour and sharpness, for a batch at once, each image by its own parameters."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .seeding import Draws


class Change(Protocol):
    """A random change of float images `[N, C, H, W]` in [0, 1]."""

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        ...


def apply_to(
    images: Tensor, chosen: Tensor, change: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """Change some images of a batch.

    Args:
        images: Images `[N, C, H, W]`.
        chosen: Which ones, `[N]` bool.
        change: Maps images and parameters to images.
        parameters: Tensors `[N, ...]` of which `change` gets the rows of the chosen images.

    Returns:
        Images `[N, C, H, W]`.
    """
    if images.is_cuda:  # picking rows would wait for the device
        return torch.where(chosen[:, None, None, None], change(images, *parameters), images)
    rows = chosen.nonzero()[:, 0]
    if len(rows) == 0:
        return images
    if len(rows) == len(images):
        return change(images, *parameters)
    changed = change(images[rows], *(parameter[rows] for parameter in parameters))
    return images.index_copy(0, rows, changed)


def _column(parameter: Tensor) -> Tensor:
    return parameter[:, None, None, None]


def to_gray(images: Tensor) -> Tensor:
    """Luma `[N, 1, H, W]` of RGB images (ITU-R 601); one-channel images as they are."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)[:, None]


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply images by a factor `[N]`."""
    return (images * _column(factor)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Stretch images about the mean of their luma by a factor `[N]`."""
    # an exact sum: the mean must not depend on how a batch is cut up among threads
    total = (to_gray(images) * 65536.0).round_().to(torch.int64).flatten(1).sum(1)
    mean = total.to(torch.float32) / (65536.0 * images.shape[2] * images.shape[3])
    shift = _column((1 - factor) * mean)
    return (images * _column(factor)).add_(shift).clamp_(0, 1)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Stretch colours away from gray by a factor `[N]`."""
    if images.shape[1] == 1:
        return images
    gray = to_gray(images).mul_(_column(1 - factor))
    return (images * _column(factor)).add_(gray).clamp_(0, 1)


def hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by a shift `[N]` in turns (0.5 is the opposite colour), keeping V and S."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    top = torch.maximum(torch.maximum(red, green), blue)
    chroma = top - torch.minimum(torch.minimum(red, green), blue)
    scale = 1.0 / chroma.clamp(min=1e-8)
    sixth = torch.where(
        top == red,
        (green - blue).mul_(scale),
        torch.where(
            top == green,
            (blue - red).mul_(scale).add_(2.0),
            (red - green).mul_(scale).add_(4.0),
        ),
    )
    sixth.add_(shift[:, None, None] * 6.0)
    turned = torch.empty_like(images)
    for channel, offset in enumerate((5.0, 3.0, 1.0)):
        k = (sixth + offset).remainder_(6.0)
        k = torch.minimum(k, 4.0 - k).clamp_(0, 1).mul_(chroma)
        torch.sub(top, k, out=turned[:, channel])
    return turned


class ColorJitter:
    """Random brightness, contrast, saturation and hue, in this order.

    Args:
        brightness: Factor within 1 ± this.
        contrast: Factor within 1 ± this.
        saturation: Factor within 1 ± this.
        hue: Shift within ± this, in turns, at most 0.5.
        probability: Part of the images that is changed.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        probability: float = 0.8,
    ) -> None:
        if not 0.0 <= hue <= 0.5:
            raise ValueError(f"hue={hue}, but it must lie between 0 and 0.5 turns.")
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        factors = [
            draws.uniform(max(0.0, 1 - strength), 1 + strength)
            for strength in (self.brightness, self.contrast, self.saturation)
        ]
        turn = draws.uniform(-self.hue, self.hue)
        return apply_to(images, chosen, self._change, *factors, turn)

    def _change(self, images: Tensor, b: Tensor, c: Tensor, s: Tensor, h: Tensor) -> Tensor:
        images = brightness(images, b) if self.brightness else images
        images = contrast(images, c) if self.contrast else images
        images = saturation(images, s) if self.saturation else images
        return hue(images, h) if self.hue else images


class Grayscale:
    """Colours taken away.

    Args:
        probability: Part of the images that is changed.
    """

    def __init__(self, probability: float = 0.2) -> None:
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        return apply_to(images, chosen, lambda some: to_gray(some).expand_as(some))


class Solarize:
    """Bright pixels inverted.

    Args:
        threshold: Pixels at or above this are inverted, in [0, 1].
        probability: Part of the images that is changed.
    """

    def __init__(self, threshold: float = 0.5, probability: float = 0.2) -> None:
        self.threshold = threshold
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        return apply_to(
            images, chosen, lambda some: torch.where(some >= self.threshold, 1.0 - some, some)
        )


class GaussianBlur:
    """A Gaussian blur of random width.

    Args:
        sigma: Smallest and largest standard deviation, in pixels.
        probability: Part of the images that is changed.
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0), probability: float = 0.5) -> None:
        if not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError(f"sigma={sigma}, but it must be (low, high) with 0 < low <= high.")
        self.sigma = (float(sigma[0]), float(sigma[1]))
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        sigma = draws.uniform(*self.sigma)
        reach = min(max(1, round(3 * self.sigma[1])), min(images.shape[2:]) - 1)
        return apply_to(images, chosen, lambda some, s: blur(some, s, reach), sigma)


def blur(images: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Blur images `[N, C, H, W]` with sigma `[N]` pixels, out to `reach` pixels, edges mirrored."""
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None]).square())
    weights = weights / weights.sum(1, keepdim=True)
    for dim in (2, 3):
        padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        padded = F.pad(images, padding, mode="reflect")
        length = images.shape[dim]
        images = padded.narrow(dim, reach, length) * _column(weights[:, reach])
        for step in range(1, reach + 1):
            pair = padded.narrow(dim, reach - step, length) + padded.narrow(
                dim, reach + step, length
            )
            images.addcmul_(pair, _column(weights[:, reach + step]))
    return images


class Noise:
    """Gaussian noise on every pixel.

    Args:
        strength: Its standard deviation, on images in [0, 1].
        probability: Part of the images that is changed.
    """

    def __init__(self, strength: float = 0.1, probability: float = 1.0) -> None:
        self.strength = strength
        self.probability = probability

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        noise = draws.normals(images[0].numel()).view_as(images).mul_(self.strength)
        return apply_to(images, chosen, lambda some, n: (some + n).clamp_(0, 1), noise)
