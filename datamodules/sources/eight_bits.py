"""Images of any depth as 8-bit values."""

import numpy as np
import torch
from PIL import Image

_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners store in 16


def to_8_bit(image: Image.Image, mode: str) -> Image.Image:
    """Convert a PIL image of any mode to `L` or `RGB`.

    Gray images of more than 8 bits are scaled by `stretch`; transparent ones are put on white.
    """
    if image.mode == mode:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(stretch(np.asarray(image, dtype=np.float64), image.mode == "F"))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.new("RGBA", layered.size, "white")
        image.alpha_composite(layered)
    return image.convert(mode)


def pixels_of(image: Image.Image, channels: int) -> torch.Tensor:
    """A PIL image as 8-bit pixels, `[channels, H, W]`.

    Args:
        image: Of any mode.
        channels: 3 for RGB, 1 for gray.
    """
    pixels = torch.from_numpy(np.array(to_8_bit(image, "L" if channels == 1 else "RGB")))
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1).contiguous()


def stretch(values: np.ndarray, floats: bool) -> np.ndarray:
    """Scale values of any range to 0..255, rounded.

    - Floats in [0, 1] are taken times 255, floats in [0, 255] as they are.
    - Other values up to 65,535 by the fewest of 8, 10, 12, 14 or 16 bits that hold the image's
      largest, so that white is 4,095 in a 12-bit image that is stored in 16 bits; values above
      that by the largest itself.
    - Where there are values below 0, from the smallest to the largest.

    Infinite values and NaN count as the nearest of the others, NaN as the smallest.

    Args:
        values: Gray values `[H, W]` or colors `[H, W, 3]`.
        floats: Whether they are stored as floats.

    Raises:
        ValueError: If no value is finite.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError("it holds no finite value")
    low, high = float(finite.min()), float(finite.max())
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    if low < 0:
        values, span = values - low, (high - low) or 1.0
    elif high > 65535:
        span = high
    elif floats and high <= 255:
        span = 1.0 if high <= 1 else 255.0
    else:
        span = next(float(2**bits - 1) for bits in _DEPTHS if high <= 2**bits - 1)
    return (values * (255.0 / span)).round().astype(np.uint8)
