"""What SimCLR does to a crop (Chen et al., ICML 2020)."""

from torch import Tensor

from .color import Change, ColorJitter, Grayscale, Solarize, check_rgb
from .ranges import check, check_pair, check_part
from .seeding import Draws
from .texture import GaussianBlur


class SimCLRChanges(Change):
    """Color jitter, grayscale and, by choice, blur and solarize, in this order.

    The defaults are those for small images. For photos: `strength: 1.0`, `blur: 0.5`.

    Args:
        strength: Strength s of the color jitter: brightness, contrast and saturation within
            1 ± 0.8 s, hue within ± 0.2 s turns; 0 for none.
        jitter_probability: Part of the views with color jitter.
        grayscale: Part of the views without colors.
        blur: Part of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        solarize: Part of the views that are solarized.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import SimCLRChanges
        >>> from metaug.datamodules.transforms.seeding import Draws
        >>> change = SimCLRChanges(strength=1.0, blur=0.5)
        >>> change(torch.rand(4, 3, 8, 8), Draws(torch.arange(4))).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(
        self,
        *,
        strength: float = 0.5,
        jitter_probability: float = 0.8,
        grayscale: float = 0.2,
        blur: float = 0.0,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        solarize: float = 0.0,
    ) -> None:
        check(strength, "strength", at_least=0, at_most=2.5)  # the hue turns by 0.2 of it
        check_part(jitter_probability, "jitter_probability")
        check_part(grayscale, "grayscale")
        check_part(blur, "blur")
        check_pair(blur_sigma, "blur_sigma", above=0)
        check_part(solarize, "solarize")
        self.of_colors = {"strength": strength, "grayscale": grayscale, "solarize": solarize}
        # what has probability 0 is left out, and draws no random numbers
        self.changes: list[Change] = []
        if jitter_probability > 0 and strength > 0:
            factor_range = 0.8 * strength
            self.changes.append(
                ColorJitter(
                    factor_range, factor_range, factor_range, 0.2 * strength, jitter_probability
                )
            )
        if grayscale > 0:
            self.changes.append(Grayscale(grayscale))
        if blur > 0:
            self.changes.append(GaussianBlur(blur_sigma, blur))
        if solarize > 0:
            self.changes.append(Solarize(0.5, solarize))

    def check_channels(self, channels: int) -> None:
        """Refuse color jitter, grayscale and solarize of what is neither RGB nor gray."""
        for name, value in self.of_colors.items():
            if value:
                check_rgb(channels, f"{name}={value:g} of SimCLR's changes")

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Change the images."""
        for change in self.changes:
            images = change(images, draws)
        return images
