"""Multi-crop: a few large crops and many small ones (Caron et al., NeurIPS 2020)."""

from collections.abc import Sequence

from .base import RecipeViews, check_num_views
from .simclr_views import simclr_recipe


class MultiCropViews(RecipeViews):
    """Global crops of most of the image and smaller local ones of its parts.

    The global views come first. The views differ in size, so a batch holds tensors of two sizes.

    Args:
        num_global: Global views per image.
        num_local: Local views per image; at least 2 views together.
        size: Edge of the global views in pixels; null takes the data module's `image_size`.
        local_size: Edge of the local views in pixels; null takes half of `size`.
        global_scale: Smallest and largest part of the image's area in a global crop.
        local_scale: Smallest and largest part of the image's area in a local crop.
        flip: Probability of a mirror image.
        strength: Strength of the colour jitter, as in `SimCLRViews`.
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
        num_global: int = 2,
        num_local: int = 4,
        *,
        size: int | None = None,
        local_size: int | None = None,
        global_scale: tuple[float, float] = (0.3, 1.0),
        local_scale: tuple[float, float] = (0.05, 0.3),
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
        check_num_views(num_global + num_local)
        large, small = (
            simclr_recipe(
                crop_scale=scale,
                flip=flip,
                strength=strength,
                jitter_probability=jitter_probability,
                grayscale=grayscale,
                blur=blur,
                blur_sigma=blur_sigma,
                solarize=solarize,
            )
            for scale in (global_scale, local_scale)
        )
        super().__init__([large] * num_global + [small] * num_local, size=size, mean=mean, std=std)
        self.num_global = num_global
        self.local_size = local_size

    def view_size(self, view: int) -> int:
        """Edge of a view."""
        size = super().view_size(view)
        if view < self.num_global:
            return size
        return self.local_size or size // 2
