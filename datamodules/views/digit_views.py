"""Views that keep a digit (a letter, a sign) what it is."""

from collections.abc import Sequence

from ..transforms.geometry import SmallMotion
from ..transforms.ranges import check
from ..transforms.texture import changes_without_colors
from .base import Recipe, RecipeViews, check_num_views


class DigitViews(RecipeViews):
    """Small rotations, shifts, scalings and shears, contrast, blur and noise; never a mirror image.

    Args:
        num_views: Views per image, at least 2.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        degrees: Largest rotation to either side, in degrees.
        shift: Largest shift to any side, as part of the image's edge.
        scale: Smallest and largest magnification.
        shear: Largest shear to either side, in degrees.
        contrast: Brightness and contrast within 1 ± this.
        blur: Part of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        noise: Standard deviation of the noise, on images in [0, 1].
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import DigitViews
        >>> views = DigitViews(num_views=3, size=16)
        >>> images = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
        >>> [view.shape for view in views(images, seeds=torch.arange(4))][0]
        torch.Size([4, 1, 16, 16])
    """

    def __init__(
        self,
        num_views: int = 2,
        *,
        size: int | None = None,
        degrees: float = 10.0,
        shift: float = 0.1,
        scale: tuple[float, float] = (0.85, 1.15),
        shear: float = 10.0,
        contrast: float = 0.4,
        blur: float = 0.3,
        blur_sigma: tuple[float, float] = (0.3, 1.0),
        noise: float = 0.1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check(contrast, "contrast", at_least=0)
        changes = changes_without_colors(contrast, 1.0, blur, blur_sigma, noise)
        recipe = Recipe(SmallMotion(degrees, shift, scale, shear), changes)
        super().__init__([recipe] * check_num_views(num_views), size=size, mean=mean, std=std)
