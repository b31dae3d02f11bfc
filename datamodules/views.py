"""Views: what turns one image into several random ones."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from .color import Change
from .geometry import Framing, Images, frame_whole, to_unit
from .seeding import Draws, on_cpu

_CHUNK = 1 << 19  # numbers in a piece of a batch that stays in a CPU's cache


class Views(ABC):
    """Makes `num_views` random views of every image of a batch.

    Args:
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        self.size = size
        self.mean = mean
        self.std = std
        self._constants: dict[torch.device, Tensor] = {}

    @property
    @abstractmethod
    def num_views(self) -> int:
        """Number of views of an image."""

    @property
    def in_batches(self) -> bool:
        """Whether a whole batch is changed at once, so that it can be done on the device."""
        return True

    def bind(self, *, size: int, mean: Sequence[float], std: Sequence[float]) -> "Views":
        """A copy in which is filled in what was left to the data module."""
        bound = copy(self)
        bound.size = self.size or size
        bound.mean = mean if self.mean is None else self.mean
        bound.std = std if self.std is None else self.std
        bound._constants = {}
        return bound

    @abstractmethod
    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views.

        Args:
            images: uint8 images, `[N, C, H, W]` or a list of `[C, H, W]` of any sizes.
            seeds: Seed of every image `[N]`, int64, on the device of the images.

        Returns:
            One tensor `[N, C, size, size]` per view.
        """

    def evaluate(self, images: Images, size: int) -> Tensor:
        """The evaluation transform: the whole image, without randomness, scaled as the views are.

        Args:
            images: uint8 images, `[N, C, H, W]` or a list of `[C, H, W]` of any sizes.
            size: Edge of the result.

        Returns:
            Images `[N, C, size, size]`.
        """
        return self.normalize(frame_whole(images, size))

    def normalize(self, images: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation."""
        if self.mean is None or self.std is None:
            return images
        if images.device not in self._constants:
            values = torch.tensor([self.mean, self.std])[:, :, None, None]
            self._constants[images.device] = values.to(images.device)
        mean, std = self._constants[images.device]
        return (images - mean).div_(std)

    def show(self, view: Tensor, number: int = 0) -> Tensor:
        """Turn a view back into a picture.

        Args:
            view: One view of one image `[C, H, W]`.
            number: Which of the views it is.

        Returns:
            The picture `[1 or 3, H, W]` in [0, 1].
        """
        if self.mean is None or self.std is None:
            return view.clamp(0, 1)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        return (view.cpu() * std + mean).clamp(0, 1)


class Recipe:
    """How one view is made: a framing, then changes.

    Args:
        framing: Cuts the view out of the image.
        changes: What happens to it then, in order.
    """

    def __init__(self, framing: Framing, changes: Sequence[Change] = ()) -> None:
        self.framing = framing
        self.changes = list(changes)

    def __call__(self, images: Images, draws: Draws, size: int) -> Tensor:
        """Make one view `[N, C, size, size]` in [0, 1] of every image."""
        view = self.framing(images, draws, size)
        for change in self.changes:
            view = change(view, draws)
        return view


def check_num_views(num_views: int) -> int:
    """Refuse fewer than two views."""
    if num_views < 2:
        raise ValueError(
            f"num_views={num_views}, but contrastive learning compares views of the same image: "
            "set num_views to 2 or more."
        )
    return num_views


def pieces(images: Images, seeds: Tensor, size: int) -> Iterator[tuple[Images, Tensor]]:
    """Cut a batch into pieces that fit a CPU's cache; on a device it stays whole."""
    if len(images) == 0 or not on_cpu(seeds):
        yield images, seeds
        return
    step = max(1, _CHUNK // (images[0].shape[0] * size * size))
    for start in range(0, len(images), step):
        yield images[start : start + step], seeds[start : start + step]


class RecipeViews(Views):
    """Views that are made by recipes, each view by its own.

    Args:
        recipes: One recipe per view, at least two.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        *,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(size=size, mean=mean, std=std)
        self.recipes = list(recipes)
        check_num_views(len(self.recipes))

    @property
    def num_views(self) -> int:
        """Number of views of an image."""
        return len(self.recipes)

    def view_size(self, view: int) -> int:
        """Edge of a view."""
        if self.size is None:
            raise ValueError("size is not set; pass it, or use the views in a data module.")
        return self.size

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views."""
        views = []
        for number, recipe in enumerate(self.recipes):
            size = self.view_size(number)
            views.append(
                torch.cat(
                    [
                        self.normalize(recipe(some, Draws(some_seeds, number), size))
                        for some, some_seeds in pieces(images, seeds, size)
                    ]
                )
            )
        return views


class TransformViews(Views):
    """Views by any callable for one image: torchvision, lightly, albumentations or your own.

    Args:
        transform: Maps a uint8 image tensor `[C, H, W]` to a view, or to a list of views. A view
            may be a float tensor, which is left as it is, or a uint8 tensor or PIL image, which is
            scaled and normalised.
        num_views: How often to call it; null when it returns all views of an image at once,
            and then they are counted on the first image.
        as_pil: Pass a PIL image rather than a tensor.
        size: Edge of the evaluation images in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel for the evaluation images; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
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
            sample = torch.zeros(3, 32, 32, dtype=torch.uint8)
            with isolated_random_state():
                self._num_views = check_num_views(len(self._views_of(sample)))
        return self._num_views

    @property
    def in_batches(self) -> bool:
        """One image at a time."""
        return False

    def _views_of(self, image: Tensor) -> list[Tensor]:
        argument: Any = image
        if self.as_pil:
            argument = to_pil_image(image)
        if self._repeat is None:
            return list(self.transform(argument))
        return [self.transform(argument) for _ in range(self._repeat)]

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views, each image under a random state of its own."""
        made = []
        with isolated_random_state():
            for image, seed in zip(images, seeds.tolist(), strict=True):
                seed &= (1 << 32) - 1
                torch.default_generator.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed)
                made.append(self._views_of(image))
        return [self._finish(views) for views in zip(*made, strict=True)]

    def _finish(self, views: Sequence[Any]) -> Tensor:
        batch = torch.stack([pil_to_tensor(v) if isinstance(v, Image) else v for v in views])
        return self.normalize(to_unit(batch)) if batch.dtype == torch.uint8 else batch


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
