"""Random changes of color, for a batch at once, each image by its own parameters.

Kornia's brightness, contrast and saturation take 1.4, 1.5 and 1.5 times as long as these at 32
pixels and 1.9, 1.6 and 2.5 times at 224 (2026-11-26, 2 cores with AVX2, one thread; `python -m
benchmarks.data.kornia`). Its brightness is bit for bit this one; its contrast and saturation differ
by up to 1e-4, since they weigh red by 0.299 where torchvision and these do by 0.2989.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from .ranges import check, check_part
from .seeding import Draws, on_cpu


class Change(ABC):
    """A random change of float images `[N, C, H, W]` in [0, 1].

    Examples:
        >>> import torch
        >>> from metaug.datamodules import Change, RandomCrop, Recipe, RecipeViews
        >>> class Invert(Change):
        ...     def __call__(self, images, draws):
        ...         return torch.where(draws.chance(0.5)[:, None, None, None], 1 - images, images)
        >>> views = RecipeViews([Recipe(RandomCrop(), [Invert()])] * 2, size=16)
        >>> views(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(4))[0].shape
        torch.Size([4, 3, 16, 16])
    """

    @abstractmethod
    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""

    def check_channels(self, channels: int) -> None:  # noqa: B027 - a choice
        """Refuse numbers of channels that the change is not made for; any are taken here.

        Args:
            channels: That of the images.

        Raises:
            ValueError: Naming the option.
        """


def apply_to(
    images: Tensor, chosen: Tensor, change: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """Change the chosen images of a batch.

    Args:
        images: Images `[N, C, H, W]`.
        chosen: Which ones, `[N]` bool.
        change: Maps images and parameters to images.
        parameters: Tensors `[N, ...]` of which `change` gets the rows of the chosen images.

    Returns:
        Images `[N, C, H, W]`.
    """
    if not on_cpu(images):  # picking rows would wait for the device
        return torch.where(chosen[:, None, None, None], change(images, *parameters), images)
    rows = chosen.nonzero()[:, 0]
    if len(rows) == 0:
        return images
    if len(rows) == len(images):
        return change(images, *parameters)
    changed = change(images[rows], *(parameter[rows] for parameter in parameters))
    return images.index_copy(0, rows, changed)


def column(parameter: Tensor) -> Tensor:
    """A number per image `[N]` as `[N, 1, 1, 1]`."""
    return parameter[:, None, None, None]


def check_rgb(channels: int, option: str) -> None:
    """Refuse what changes colors for images that are neither RGB nor gray.

    Args:
        channels: That of the images.
        option: What changes colors, with its value.

    Raises:
        ValueError: Saying what to do without it.
    """
    if channels not in (1, 3):
        raise ValueError(
            f"{option} changes colors of RGB, but the images have {channels} channels "
            "(image_channels). Set it to 0, or take views for any channels: AnyChannelViews "
            "(--config any_channels.yaml)."
        )


def to_gray(images: Tensor) -> Tensor:
    """Luma `[N, 1, H, W]` of RGB images (ITU-R 601); one-channel images as they are."""
    if images.shape[1] == 1:
        return images
    check_rgb(images.shape[1], "this change")
    red, green, blue = images.unbind(1)
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)[:, None]


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply images by a factor `[N]`."""
    return (images * column(factor)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Stretch images about their mean by a factor `[N]`; of RGB about the mean of their luma."""
    gray = to_gray(images) if images.shape[1] == 3 else images
    # an exact sum: the mean must not depend on how a batch is cut up among threads
    total = (gray * 65536.0).round_().to(torch.int64).flatten(1).sum(1)
    mean = total.to(torch.float32) / (65536.0 * gray.shape[1] * gray.shape[2] * gray.shape[3])
    shift = column((1 - factor) * mean)
    return (images * column(factor)).add_(shift).clamp_(0, 1)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Stretch colors away from gray by a factor `[N]`."""
    if images.shape[1] == 1:
        return images
    gray = to_gray(images).mul_(column(1 - factor))
    return (images * column(factor)).add_(gray).clamp_(0, 1)


def hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by a shift `[N]` in turns (0.5 is the opposite color), keeping V and S."""
    if images.shape[1] == 1:
        return images
    # V (`top`) and chroma C = max - min of the channels: `[N, H, W]`
    red, green, blue = images.unbind(1)
    top = torch.maximum(red, green)
    torch.maximum(top, blue, out=top)
    chroma = torch.minimum(red, green)
    torch.minimum(chroma, blue, out=chroma)
    torch.sub(top, chroma, out=chroma)
    scale = chroma.clamp(min=1e-8).reciprocal_()
    # the hue in sixths of a turn: 0 + (G - B) / C where red is the largest, 2 + (B - R) / C where
    # green is, else 4 + (R - G) / C; by arithmetic: `torch.where` takes ten times as long on a CPU
    not_red = (top - red).mul_(1e30).clamp_(max=1)
    not_green = (top - green).mul_(1e30).clamp_(max=1)
    sixth = (green - blue).mul_(scale)
    if_green = (blue - red).mul_(scale).add_(2.0)
    if_blue = (red - green).mul_(scale).add_(4.0)
    if_green.addcmul_(not_green, if_blue.sub_(if_green))
    sixth.addcmul_(not_red, if_green.sub_(sixth))
    sixth.add_(shift[:, None, None] * 6.0)
    # back to RGB: a channel falls short of V by C * clamp(2 - d, 0, 1), where d is the distance on
    # the circle of 6 from the hue to the channel's complement (cyan 3, magenta 5, yellow 1)
    offsets = torch.arange(3, -2, -2, device=images.device)[:, None, None]
    turned = sixth[:, None] + offsets  # [N, 3, H, W]
    turned.sub_((turned * (1 / 6)).round_(), alpha=6.0).abs_()
    turned.neg_().add_(2.0).clamp_(0, 1).mul_(chroma[:, None])
    return torch.sub(top[:, None], turned, out=turned)


class ColorJitter(Change):
    """Random brightness, contrast, saturation and hue, in this order.

    Args:
        brightness: Factor within 1 ± this.
        contrast: Factor within 1 ± this.
        saturation: Factor within 1 ± this.
        hue: Shift within ± this, in turns, at most 0.5.
        probability: Part of the images that is changed.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import ColorJitter
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = ColorJitter(hue=0.2)
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        probability: float = 0.8,
    ) -> None:
        for name, value in (
            ("brightness", brightness),
            ("contrast", contrast),
            ("saturation", saturation),
        ):
            check(value, name, at_least=0)
        check(hue, "hue", at_least=0, at_most=0.5)
        check_part(probability, "probability")
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.probability = probability

    def check_channels(self, channels: int) -> None:
        """Refuse saturation and hue of what is neither RGB nor gray."""
        for name, strength in (("saturation", self.saturation), ("hue", self.hue)):
            if strength and self.probability:
                check_rgb(channels, f"{name}={strength:g} of ColorJitter")

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


class Grayscale(Change):
    """Colors taken away.

    Args:
        probability: Part of the images that is changed.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import Grayscale
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = Grayscale(0.2)
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(self, probability: float = 0.2) -> None:
        check_part(probability, "probability")
        self.probability = probability

    def check_channels(self, channels: int) -> None:
        """Refuse what is neither RGB nor gray."""
        if self.probability:
            check_rgb(channels, f"probability={self.probability:g} of Grayscale")

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        return apply_to(images, chosen, lambda rows: to_gray(rows).expand_as(rows))


class Solarize(Change):
    """Bright pixels inverted.

    Args:
        threshold: Pixels at or above this are inverted, in [0, 1].
        probability: Part of the images that is changed.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import Solarize
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = Solarize(threshold=0.5, probability=0.2)
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(self, threshold: float = 0.5, probability: float = 0.2) -> None:
        check_part(threshold, "threshold")
        check_part(probability, "probability")
        self.threshold = threshold
        self.probability = probability

    def check_channels(self, channels: int) -> None:
        """Refuse what is neither RGB nor gray, whose channels have no brightness in common."""
        if self.probability:
            check_rgb(channels, f"probability={self.probability:g} of Solarize")

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        chosen = draws.chance(self.probability)
        return apply_to(
            images, chosen, lambda rows: torch.where(rows >= self.threshold, 1.0 - rows, rows)
        )
