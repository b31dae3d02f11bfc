"""Pixels of any depth and number of channels: 8 bits stay as they are, all others become floats.

The one place where values are scaled and channels are matched, for files, arrays and data sets.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..transforms.ranges import check

ValueRange = Sequence[float] | None

_SLACK = 1e-3  # by which floats may leave [0, 1], as resized images do
_GRAY = {"1", "L", "LA", "La"}
_TRANSPARENT = {"LA", "PA", "RGBA", "La", "RGBa"}
_LUMA = np.array([19595, 38470, 7471]) / 65536  # of ITU-R 601, as Pillow rounds them


class ChannelError(ValueError):
    """An image with another number of channels than asked for."""

    def __init__(self, has: int, asked: int) -> None:
        super().__init__(
            f"it has {has} channel(s), but image_channels is {asked}; set image_channels to {has} "
            f"if all images have {has}, or convert it"
        )


def check_value_range(value_range: ValueRange) -> ValueRange:
    """The same (low, high), or None.

    Raises:
        ValueError: If it is not two numbers with low < high.
    """
    if value_range is None:
        return None
    if isinstance(value_range, str) or len(value_range) != 2:
        raise ValueError(
            f"value_range must be two numbers, those of black and white, got {value_range!r}."
        )
    low, high = value_range
    check(low, "the first number of value_range")
    check(high, "the second number of value_range", above=low)
    return low, high


def scale(values: np.ndarray, value_range: ValueRange = None) -> np.ndarray:
    """Values as uint8 in 0..255 or float32 in [0, 1].

    - uint8 stays as it is; true is 255.
    - With a `value_range`, all others are scaled linearly from it to [0, 1]. What lies outside is
      its nearer end, NaN its lower one.
    - Without one, uint16 is divided by 65535, and floats must be in [0, 1].

    Args:
        values: Of any shape.
        value_range: The values of black and white.

    Raises:
        ValueError: If it is not known what is black and white in them.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    kind = values.dtype.kind
    if kind not in "iuf":
        raise ValueError(f"its values are {values.dtype}, which are no pixels")
    if value_range is not None:
        low, high = value_range
        wide = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
        return ((wide - low) / (high - low)).clip(0, 1).astype(np.float32)
    if kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.float32) / np.float32(65535)
    low, high = float(values.min()), float(values.max())
    if kind == "f" and low >= -_SLACK and high <= 1 + _SLACK:
        return values.astype(np.float32).clip(0, 1)
    raise ValueError(
        f"its values are {values.dtype} from {low:g} to {high:g}, which does not say what black "
        "and white are: set value_range to their values, such as [0, 4095]"
    )


def to_pixels(
    values: np.ndarray, channels: int, value_range: ValueRange = None, *, alpha: bool = False
) -> Tensor:
    """An array as pixels.

    Gray becomes RGB and RGB gray where 3 or 1 channels are asked for, and then what is transparent
    lies on white; any other difference is refused.

    Args:
        values: `[H, W]` or `[H, W, C]`.
        channels: How many are asked for.
        value_range: See `scale`.
        alpha: Whether the last channel is the opacity.

    Returns:
        The image `[channels, H, W]`, uint8 or float32 in [0, 1].

    Raises:
        ChannelError: If it has other channels.
        ValueError: If it is empty, or its values cannot be scaled.
    """
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or not values.size:
        raise ValueError(f"its shape is {list(values.shape)}, which is no image")
    has = values.shape[2]
    pixels = scale(values, value_range)
    if has != channels:
        if channels not in (1, 3) or has - alpha not in (1, 3):
            raise ChannelError(has, channels)
        pixels = _on_white(pixels) if alpha else pixels
        if pixels.shape[2] < channels:
            pixels = pixels.repeat(3, axis=2)
        elif pixels.shape[2] > channels:
            pixels = _gray(pixels)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def pixels_of(image: Image.Image, channels: int, value_range: ValueRange = None) -> Tensor:
    """A PIL image as pixels, see `to_pixels`.

    Args:
        image: Of any mode.
        channels: 3 for RGB, 1 for gray, 4 for RGB and 2 for gray with opacity.
        value_range: Of images of more than 8 bits, see `scale`.
    """
    return to_pixels(array_of(image, channels), channels, value_range)


def array_of(image: Image.Image, channels: int) -> np.ndarray:
    """The values of a PIL image, `[H, W]` or `[H, W, C]`.

    Colors are those that are asked for, if 1 or 3 channels are, else those that it has.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        # Pillow's way to hold 16 bits of these formats
        is_16_bit = image.mode == "I" and image.format in ("PNG", "PPM")
        return values.astype(np.uint16) if is_16_bit else values
    transparent = image.mode in _TRANSPARENT or "transparency" in image.info
    if channels in (1, 3):
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode and transparent:
            layered = image.convert("RGBA")
            image = Image.new("RGBA", layered.size, "white")
            image.alpha_composite(layered)
    else:
        mode = ("L" if image.mode in _GRAY else "RGB") + ("A" if transparent else "")
    return np.array(image if image.mode == mode else image.convert(mode))


def _on_white(pixels: np.ndarray) -> np.ndarray:
    colors, opacity = _floats(pixels[..., :-1]), _floats(pixels[..., -1:])
    return colors * opacity + (1 - opacity)


def _gray(pixels: np.ndarray) -> np.ndarray:
    """Luma `[H, W, 1]` of RGB `[H, W, 3]`, of the same type."""
    gray = (pixels @ _LUMA)[..., None]
    return (gray + 0.5).astype(np.uint8) if pixels.dtype == np.uint8 else gray.astype(np.float32)


def _floats(pixels: np.ndarray) -> np.ndarray:
    return pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels
