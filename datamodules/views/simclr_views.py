"""The views of SimCLR (Chen et al., ICML 2020)."""

from collections.abc import Sequence

from ..transforms.color import Change, ColorJitter, Grayscale, Solarize
from ..transforms.geometry import RandomCrop
from ..transforms.texture import GaussianBlur
from .base import Recipe, RecipeViews, check_num_views


def simclr_recipe(
    *,
    crop_scale: tuple[float, float],
    flip: float,
    strength: float,
    jitter_probability: float,
    grayscale: float,
    blur: float,
    blur_sigma: tuple[float, float],
    solarize: float,
) -> Recipe:
    """Crop, mirror, jitter, grayscale, blur, solarise; what has probability 0 is left out."""
    changes: list[Change] = []
    if jitter_probability > 0 and strength > 0:
        changes.append(
            ColorJitter(
                0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength, jitter_probability
            )
        )
    if grayscale > 0:
        changes.append(Grayscale(grayscale))
    if blur > 0:
        changes.append(GaussianBlur(blur_sigma, blur))
    if solarize > 0:
        changes.append(Solarize(0.5, solarize))
    return Recipe(RandomCrop(crop_scale, flip=flip), changes)


class SimCLRViews(RecipeViews):
    """Crop, mirror, colour jitter, grayscale and, by choice, blur and solarise.

    The defaults are the recipe for small images: no blur, half of the colour jitter. For photos:
    `strength: 1.0`, `blur: 0.5`, `crop_scale: [0.08, 1.0]`.

    Args:
        num_views: Views per image, at least 2.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        crop_scale: Smallest and largest part of the image's area in a crop.
        flip: Probability of a mirror image.
        strength: Strength s of the colour jitter: brightness, contrast and saturation within
            1 ± 0.8 s, hue within ± 0.2 s turns.
        jitter_probability: Part of the views with colour jitter.
        grayscale: Part of the views without colours.
        blur: Part of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        solarize: Part of the views that are solarised.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
    """

    def __init__(
        self,
        num_views: int = 2,
        *,
        size: int | None = None,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        flip: float = 0.5,
        strength: float = 0.5,
        jitter_probability: float = 0.8,
        grayscale: float = 0.2,
        blur: float = 0.0,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        solarize: float = 0.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        recipe = simclr_recipe(
            crop_scale=crop_scale,
            flip=flip,
            strength=strength,
            jitter_probability=jitter_probability,
            grayscale=grayscale,
            blur=blur,
            blur_sigma=blur_sigma,
            solarize=solarize,
        )
        super().__init__([recipe] * check_num_views(num_views), size=size, mean=mean, std=std)
