"""Views of images with any number of channels, such as those of satellites and microscopes."""

from collections.abc import Sequence

from ..transforms.geometry import RandomCrop
from ..transforms.ranges import check, check_part
from ..transforms.texture import changes_without_colors
from .base import Recipe, RecipeViews, check_num_views


class AnyChannelViews(RecipeViews):
    """Crop, mirror, brightness, contrast and blur: what needs no colors of RGB.

    Brightness and contrast of all channels of an image change alike, so that their ratios, which
    tell materials apart, stay. Contrast is about the mean of all channels.

    Args:
        num_views: Views per image, at least 2.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        crop_scale: Smallest and largest part of the image's area in a crop.
        flip: Probability of a mirror image.
        strength: Strength s of the jitter: brightness and contrast within 1 ± 0.8 s; 0 for none.
        jitter_probability: Part of the views with jitter.
        blur: Part of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        noise: Standard deviation of the noise, on images in [0, 1].
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import AnyChannelViews
        >>> views = AnyChannelViews(size=32)
        >>> images = torch.zeros(4, 5, 40, 48, dtype=torch.uint8)
        >>> [view.shape for view in views(images, seeds=torch.arange(4))]
        [torch.Size([4, 5, 32, 32]), torch.Size([4, 5, 32, 32])]
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
        blur: float = 0.5,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        noise: float = 0.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check(strength, "strength", at_least=0)
        check_part(jitter_probability, "jitter_probability")
        changes = changes_without_colors(
            0.8 * strength, jitter_probability, blur, blur_sigma, noise
        )
        recipe = Recipe(RandomCrop(crop_scale, flip=flip), changes)
        super().__init__([recipe] * check_num_views(num_views), size=size, mean=mean, std=std)
