"""The views of SimCLR (Chen et al., ICML 2020)."""

from collections.abc import Sequence

from ..transforms.geometry import RandomCrop
from ..transforms.simclr import SimCLRChanges
from .base import Recipe, RecipeViews, check_num_views


class SimCLRViews(RecipeViews):
    """Crop, mirror, color jitter, grayscale and, by choice, blur and solarize.

    The defaults are the recipe for small images: no blur, half of the color jitter. For photos:
    `strength: 1.0`, `blur: 0.5`, `crop_scale: [0.08, 1.0]`.

    Args:
        num_views: Views per image, at least 2.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        crop_scale: Smallest and largest part of the image's area in a crop.
        flip: Probability of a mirror image.
        strength: Strength s of the color jitter: brightness, contrast and saturation within
            1 ± 0.8 s, hue within ± 0.2 s turns.
        jitter_probability: Part of the views with color jitter.
        grayscale: Part of the views without colors.
        blur: Part of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels.
        solarize: Part of the views that are solarized.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import SimCLRViews
        >>> views = SimCLRViews(num_views=3, size=32, blur=0.5)
        >>> images = torch.zeros(4, 3, 40, 48, dtype=torch.uint8)
        >>> [view.shape for view in views(images, seeds=torch.arange(4))]
        [torch.Size([4, 3, 32, 32]), torch.Size([4, 3, 32, 32]), torch.Size([4, 3, 32, 32])]
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
        changes = SimCLRChanges(
            strength=strength,
            jitter_probability=jitter_probability,
            grayscale=grayscale,
            blur=blur,
            blur_sigma=blur_sigma,
            solarize=solarize,
        )
        recipe = Recipe(RandomCrop(crop_scale, flip=flip), [changes])
        super().__init__([recipe] * check_num_views(num_views), size=size, mean=mean, std=std)
