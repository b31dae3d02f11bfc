"""Views by transforms of other libraries, one image at a time."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from ..transforms.geometry import Images, to_unit
from .base import Views, check_num_views


class TransformViews(Views):
    """Views by any callable for one image: torchvision, lightly, albumentations or your own.

    Args:
        transform: Maps an image tensor `[C, H, W]`, uint8 or in [0, 1], to a view, or to a list of
            views. A view may be a float tensor, which is left as it is (of images in [0, 1] the
            transform has to normalize), or a uint8 tensor or PIL image, which is scaled and
            normalized; instead of tensors `[C, H, W]` also arrays `[H, W, C]`.
            Transforms of albumentations are called as that library wants it.
        num_views: How often to call it; null when it returns all views of an image at once,
            and then they are counted on the first image.
        as_pil: Pass a PIL image rather than a tensor.
        size: Edge of the evaluation images in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel for the evaluation images; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import TransformViews
        >>> from torchvision.transforms import v2
        >>> transform = v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip()])
        >>> views = TransformViews(transform)
        >>> [v.shape for v in views(torch.zeros(4, 3, 20, 20, dtype=torch.uint8), torch.arange(4))]
        [torch.Size([4, 3, 16, 16]), torch.Size([4, 3, 16, 16])]
    """

    def __init__(
        self,
        transform: Callable[[Any], Any],
        num_views: int | None = 2,
        *,
        as_pil: bool = False,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(size=size, mean=mean, std=std)
        self.transform = transform
        self.as_pil = as_pil
        self._repeat = num_views
        self._num_views = None if num_views is None else check_num_views(num_views)

    @property
    def num_views(self) -> int:
        """Number of views of an image."""
        if self._num_views is None:
            channels = 3 if self.mean is None else len(self.mean)
            sample = torch.zeros(channels, 32, 32, dtype=torch.uint8)
            with isolated_random_state():
                self._num_views = check_num_views(len(self._views_of(sample)))
        return self._num_views

    @property
    def in_batches(self) -> bool:
        """One image at a time."""
        return False

    def _views_of(self, image: Tensor) -> list[Tensor]:
        if self.as_pil and (image.is_floating_point() or len(image) not in (1, 3)):
            raise ValueError(
                f"as_pil needs images of 8 bits and 1 or 3 channels, but these are {image.dtype} "
                f"of {len(image)}. Set as_pil to false, for a transform of tensors."
            )
        argument: Any = to_pil_image(image) if self.as_pil else image
        if _is_albumentations(self.transform):
            array = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
            transform: Any = self.transform
            return [transform(image=array)["image"] for _ in range(self._repeat or 1)]
        if self._repeat is not None:
            return [self.transform(argument) for _ in range(self._repeat)]
        views = self.transform(argument)
        if not isinstance(views, list | tuple):
            raise ValueError(
                f"num_views is null, so the transform must return a list of views, got a "
                f"{type(views).__name__}. Set num_views to how often it is to be called."
            )
        return list(views)

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views, each image under a random state of its own."""
        made = []
        with isolated_random_state():
            for image, seed in zip(images, seeds.tolist(), strict=True):
                seed &= (1 << 32) - 1
                torch.default_generator.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed)
                if _is_albumentations(self.transform) and hasattr(
                    self.transform, "set_random_seed"
                ):
                    self.transform.set_random_seed(seed)  # it has a random state of its own
                made.append(self._views_of(image))
        return [self._finish(views) for views in zip(*made, strict=True)]

    def _finish(self, views: Sequence[Any]) -> Tensor:
        tensors = [_as_tensor(view) for view in views]
        if len({tensor.shape for tensor in tensors}) > 1:
            shapes = sorted({tuple(tensor.shape) for tensor in tensors})
            raise ValueError(
                f"The transform gives views of different shapes, {shapes[:3]}. Let it end with a "
                "crop or resize to one size."
            )
        batch = torch.stack(tensors)
        return self.normalize(to_unit(batch)) if batch.dtype == torch.uint8 else batch


def _is_albumentations(transform: Any) -> bool:
    return type(transform).__module__.split(".")[0] == "albumentations"


def _as_tensor(view: Any) -> Tensor:
    if isinstance(view, Image):
        return pil_to_tensor(view)
    if isinstance(view, np.ndarray):
        view = view[..., None] if view.ndim == 2 else view
        return torch.from_numpy(np.ascontiguousarray(view.transpose(2, 0, 1)))
    if not isinstance(view, Tensor):
        raise ValueError(
            f"The transform gives a {type(view).__name__}, but a view is a tensor [C, H, W], an "
            "array [H, W, C] or a PIL image."
        )
    return view


@contextmanager
def isolated_random_state() -> Iterator[None]:
    """Put the global random states of torch (CPU), Python and NumPy back afterwards."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
