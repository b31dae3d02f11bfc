"""One view of every image, for training a classifier."""

import torch
from torch import Tensor

from ..transforms.geometry import Framing, Images
from ..transforms.seeding import Draws
from .base import Views


class OneView(Views):
    """A single view of every image, framed at random or whole.

    Args:
        like: Views whose evaluation transform is applied to the framed image.
        framing: Cuts the view out of the image; null takes the whole image.
    """

    def __init__(self, like: Views, framing: Framing | None = None) -> None:
        super().__init__(size=like.size, mean=like.mean, std=like.std)
        self.like = like
        self.framing = framing

    @property
    def num_views(self) -> int:
        """One."""
        return 1

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the view `[N, C, size, size]`."""
        size = self.view_size(0)
        if self.framing is not None:
            framed = self.framing(images, Draws(seeds, 0), size)
            deep = any(image.is_floating_point() for image in images)
            images = framed if deep else (framed * 255).round().clamp(0, 255).to(torch.uint8)
        return [self.evaluate(images, size)]

    def evaluate(self, images: Images, size: int) -> Tensor:
        """The evaluation transform of the other views."""
        return self.like.evaluate(images, size)
