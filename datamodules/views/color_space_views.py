"""The paper's own views: the channels of one crop in Lab (or YCbCr), as in CMC."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..transforms.color_space import (
    CENTER,
    HALF_RANGE,
    ColorSpace,
    check_has_colors,
    from_rgb,
    to_rgb,
)
from ..transforms.geometry import Images, RandomCrop, frame_whole
from ..transforms.ranges import check_choice
from ..transforms.simclr import SimCLRChanges
from .base import Recipe, Views, check_num_views
from .chunks import chunks_of_views, join_chunks


class ColorSpaceViews(Views):
    """Views that are channels of the same crop in another color space.

    By default the three views of the paper: L, ab and Lab of one random crop, each channel scaled
    to about [-1, 1]. The evaluation transform gives all three channels, `[N, 3, H, W]`.

    Args:
        space: `lab` or `ycbcr`.
        channels: The channels of every view, at least two views.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        crop_scale: Smallest and largest part of the image's area in the crop.
        flip: Probability of a mirror image.
        strength: Strength of a color jitter before the conversion, as in `SimCLRViews`; 0: none.
        grayscale: Part of the crops that lose their colors before the conversion.
        crop: `shared` splits one crop into the views; `own` takes a crop of its own for each view.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import ColorSpaceViews
        >>> views = ColorSpaceViews("lab", size=32)
        >>> images = torch.zeros(4, 3, 40, 48, dtype=torch.uint8)
        >>> [view.shape[1] for view in views(images, seeds=torch.arange(4))]  # L, ab, Lab
        [1, 2, 3]
    """

    def __init__(
        self,
        space: ColorSpace = "lab",
        channels: Sequence[Sequence[int]] = ((0,), (1, 2), (0, 1, 2)),
        *,
        size: int | None = None,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        flip: float = 0.5,
        strength: float = 0.0,
        grayscale: float = 0.0,
        crop: Literal["shared", "own"] = "shared",
    ) -> None:
        check_choice(space, "space", list(CENTER))
        check_choice(crop, "crop", ["shared", "own"])
        check_num_views(len(channels))
        for view in channels:
            if not view or not set(view) <= {0, 1, 2}:
                raise ValueError(f"channels={channels}, but a view consists of some of 0, 1 and 2.")
        super().__init__(size=size, mean=CENTER[space], std=HALF_RANGE[space])
        self.space: ColorSpace = space
        self.channels = [list(view) for view in channels]
        self.crop = crop
        changes = SimCLRChanges(strength=strength, grayscale=grayscale)
        self.recipe = Recipe(RandomCrop(crop_scale, flip=flip), [changes])

    @property
    def num_views(self) -> int:
        """Number of views of an image."""
        return len(self.channels)

    def check_channels(self, channels: int) -> None:
        """Refuse what is not RGB."""
        check_has_colors(channels)

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views, `[N, C, size, size]` each, with C channels of its own."""
        size = self.view_size(0)
        crops: list[Tensor] = []
        for stream in range(self.num_views if self.crop == "own" else 1):
            chunks = [
                self.normalize(from_rgb(self.recipe(chunk, draws, size), self.space))
                for chunk, draws in chunks_of_views(images, seeds, range(stream, stream + 1), size)
            ]
            crops += join_chunks(chunks, 1)
        crops = crops if self.crop == "own" else crops * self.num_views
        # a list of channels as an index would wait for the device
        return [
            torch.stack([crop[:, channel] for channel in channels], dim=1)
            for crop, channels in zip(crops, self.channels, strict=True)
        ]

    def evaluate(self, images: Images, size: int) -> Tensor:
        """The whole image in the color space, without randomness, scaled as the views are."""
        return self.normalize(from_rgb(frame_whole(images, size), self.space))

    def show(self, view: Tensor, index: int = 0) -> Tensor:
        """Turn a view back into a picture; channels that it lacks are at their middle."""
        channels = self.channels[index]
        assert self.mean is not None
        assert self.std is not None
        full = torch.tensor(self.mean)[:, None, None].expand(3, *view.shape[1:]).clone()
        if 0 not in channels and self.space == "lab":
            full[0] = 65.0
        if channels == [0]:  # neutral colors
            full[1:] = 0.0 if self.space == "lab" else 128.0
        for row, channel in enumerate(channels):
            full[channel] = view[row].cpu() * self.std[channel] + self.mean[channel]
        return to_rgb(full[None], self.space)[0]
