"""Reading one image file, whatever is in it."""

import io
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from torch import Tensor

from ..transforms.ranges import check_choice
from .eight_bits import pixels_of, stretch

# what Pillow knows by name but cannot decode alone, and what holds films or tables
_NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_OTHER_ORDER = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B"}
ORIENTATION = 0x0112  # EXIF: how the camera was held
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@cache
def image_suffixes() -> frozenset[str]:
    """Endings of the files that the installed Pillow can decode, in lower case."""
    Image.init()
    known = Image.registered_extensions().items()
    return frozenset(
        suffix for suffix, kind in known if kind in Image.OPEN and kind not in _NO_IMAGES
    )


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


def printable(path: str | Path) -> str:
    r"""A path as text that can be printed, drawn and saved: bytes that are not UTF-8 as `\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_image(
    path: str | Path | io.BytesIO, channels: int = 3, *, name: str | None = None
) -> Tensor:
    """Decode an image file.

    Palette, grayscale, CMYK and transparent images (on white), and those of 16 or 32 bits (see
    `to_8_bit`), become 8-bit RGB or gray, and the camera's orientation (EXIF) is applied.

    Args:
        path: The file, or its bytes.
        channels: 3 for RGB, 1 for gray.
        name: What to call it in a message; null takes the path.

    Returns:
        The image `[channels, H, W]`, uint8.

    Raises:
        UnreadableImageError: If the file is truncated, corrupt, not an image, or so large (over 179
            million pixels) that it may be meant to exhaust the memory.
        FileNotFoundError: If there is no such file.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> from metaug.datamodules import read_image
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     Image.new("L", (8, 6)).save(file.name)
        ...     read_image(file.name).shape
        torch.Size([3, 6, 8])
    """
    check_choice(channels, "channels", [1, 3])
    try:
        with Image.open(path) as file:
            image = _load(file, path)
            return pixels_of(_upright(image, file), channels)
    except Exception as error:  # decoders raise nearly anything
        reason = str(error) or type(error).__name__
        if isinstance(path, io.BytesIO):
            name = name or "in memory"
        else:
            name = name or printable(path)
            if isinstance(error, FileNotFoundError):
                if not os.path.islink(path):
                    raise
                reason = f"it is a link to {os.readlink(path)!a}, where there is no file"
        raise UnreadableImageError(
            f"Cannot read the image {name}: {reason}. Replace or remove the file, or "
            "set on_error: skip to go on without it."
        ) from error


def _load(file: ImageFile, path: str | Path | io.BytesIO) -> Image.Image:
    """Decode the pixels; colors of 16 bits that use 14 or fewer by `stretch`.

    Of such colors Pillow keeps the upper byte. Read in the other order of bytes it is the lower.
    """
    layout = _layout(file.tile[0]) if file.tile else ""
    file.load()
    if layout not in _OTHER_ORDER or np.asarray(file).max() >= 1 << 6:
        return file
    with Image.open(path) as again:
        other: Any = _OTHER_ORDER[layout]
        again.tile = [
            tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other)
            for tile in again.tile
        ]
        values = np.asarray(file) * 256.0 + np.asarray(again)
    return Image.fromarray(stretch(values, floats=False))


def _layout(tile: Any) -> str:
    """How Pillow calls the order of a file's bytes."""
    arguments: Any = tile.args or ""
    return arguments if isinstance(arguments, str) else str(arguments[0])


def _upright(image: Image.Image, file: Image.Image) -> Image.Image:
    """The image turned as the file's EXIF block says; one that makes no sense turns nothing.

    `ImageOps.exif_transpose` writes the rest of the block anew, which fails where a camera left
    odd values in it.
    """
    try:
        turn = _UPRIGHT.get(file.getexif().get(ORIENTATION, 1))
    except Exception:  # parsers raise nearly anything
        turn = None
    return image if turn is None else image.transpose(turn)
