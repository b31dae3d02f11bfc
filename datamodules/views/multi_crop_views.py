"""Multi-crop: a few large crops and many small ones (Caron et al., NeurIPS 2020)."""

from collections.abc import Sequence

from ..transforms.color import Change
from ..transforms.geometry import Framing, RandomCrop
from ..transforms.ranges import check, check_size
from ..transforms.simclr import SimCLRChanges
from .base import Recipe, RecipeViews, check_num_views


class MultiCropViews(RecipeViews):
    """Global crops of most of the image and smaller local ones of its parts.

    The global views come first. The views differ in size, so a batch holds tensors of two sizes.

    Args:
        num_global: Global views per image.
        num_local: Local views per image; at least 2 views together.
        global_crop: Cuts the global views out; null takes `RandomCrop` of 0.3 to 1 of the area.
        local_crop: Cuts the local views out; null takes `RandomCrop` of 0.05 to 0.3 of the area.
        changes: What happens to every crop then, in order; null takes `SimCLRChanges`.
        size: Edge of the global views in pixels; null takes the data module's `image_size`.
        local_size: Edge of the local views in pixels; null takes half of `size`.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import MultiCropViews, SimCLRChanges
        >>> views = MultiCropViews(1, 2, size=32, changes=[SimCLRChanges(strength=1.0, blur=0.5)])
        >>> images = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
        >>> [view.shape for view in views(images, seeds=torch.arange(4))]
        [torch.Size([4, 3, 32, 32]), torch.Size([4, 3, 16, 16]), torch.Size([4, 3, 16, 16])]
    """

    def __init__(
        self,
        num_global: int = 2,
        num_local: int = 4,
        *,
        global_crop: Framing | None = None,
        local_crop: Framing | None = None,
        changes: Sequence[Change] | None = None,
        size: int | None = None,
        local_size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check(num_global, "num_global", at_least=0, whole=True)
        check(num_local, "num_local", at_least=0, whole=True)
        check_num_views(num_global + num_local)
        check_size(local_size, "local_size", optional=True)
        changes = [SimCLRChanges()] if changes is None else changes
        large = Recipe(global_crop or RandomCrop((0.3, 1.0)), changes)
        small = Recipe(local_crop or RandomCrop((0.05, 0.3)), changes)
        super().__init__([large] * num_global + [small] * num_local, size=size, mean=mean, std=std)
        self.num_global = num_global
        self.local_size = local_size

    def view_size(self, view: int) -> int:
        """Edge of a view in pixels."""
        size = super().view_size(view)
        if view < self.num_global:
            return size
        return self.local_size or max(2, size // 2)
