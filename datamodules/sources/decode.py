"""Reading one image file, whatever is in it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


class UnreadableImageError(OSError):
    """An image file that cannot be decoded.

    Examples:
        >>> import tempfile
        >>> from metaug.datamodules import UnreadableImageError, read_image
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     try:
        ...         read_image(file.name)
        ...     except UnreadableImageError as error:
        ...         print(str(error).startswith(f"Cannot read the image {file.name}"))
        True
    """


def read_image(path: str | Path, channels: int = 3) -> Tensor:
    """Decode an image file.

    Palette, grayscale, CMYK, 16-bit and transparent images (on white) become 8-bit RGB or gray, and
    the camera's orientation (EXIF) is applied.

    Args:
        path: The file.
        channels: 3 for RGB, 1 for gray.

    Returns:
        The image `[channels, H, W]`, uint8.

    Raises:
        UnreadableImageError: If the file is truncated, corrupt, not an image, or so large (over 179
            million pixels) that it may be meant to exhaust the memory.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> from metaug.datamodules import read_image
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     Image.new("L", (8, 6)).save(file.name)
        ...     read_image(file.name).shape
        torch.Size([3, 6, 8])
    """
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file)
            array = np.array(to_8_bit(upright, "L" if channels == 1 else "RGB"))
    except Exception as error:  # decoders raise nearly anything
        if isinstance(error, FileNotFoundError):
            raise
        raise UnreadableImageError(
            f"Cannot read the image {path}: {error}. Replace or remove the file, or set "
            "on_error: skip to go on without it."
        ) from error
    pixels = torch.from_numpy(array)
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1).contiguous()


def to_8_bit(image: Image.Image, mode: str) -> Image.Image:
    """Convert a PIL image of any mode to `L` or `RGB`."""
    if image.mode == mode:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        if image.mode == "F":
            span = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
        else:
            span = 65535.0
        image = Image.fromarray((values.clip(0, span) * (255.0 / span)).round().astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.new("RGBA", layered.size, "white")
        image.alpha_composite(layered)
    return image.convert(mode)
