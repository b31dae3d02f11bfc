"""Reading one image file, whatever is in it."""

import io
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from torch import Tensor

from ..transforms.ranges import check
from .arrays import (
    ImageFileLike,
    array_size,
    is_array_file,
    is_tiff,
    read_array,
    read_tiff,
    tiff_size,
)
from .pixels import ValueRange, array_of, check_value_range, to_pixels

# what Pillow knows by name but cannot decode alone, and what holds films or tables
_NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
# colors of 16 bits, of which Pillow keeps the upper byte; in the other order of bytes the lower
_OTHER_ORDER = {
    "RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B",
}  # fmt: skip
ORIENTATION = 0x0112  # EXIF: how the camera was held
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


@cache
def image_suffixes() -> frozenset[str]:
    """Endings of the files that are read, in lower case: what Pillow decodes, TIFF and `.npy`."""
    Image.init()
    known = Image.registered_extensions().items()
    decoded = {suffix for suffix, kind in known if kind in Image.OPEN and kind not in _NO_IMAGES}
    return frozenset(decoded | {".npy"})


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
    path: ImageFileLike,
    channels: int = 3,
    *,
    value_range: ValueRange = None,
    name: str | None = None,
) -> Tensor:
    """Read an image file: what Pillow decodes, TIFFs of any bands, and `.npy` arrays.

    Images of 8 bits stay as they are, others become floats in [0, 1]; see `sources.pixels.scale`.
    Palette, CMYK and transparent images (on white) become RGB or gray where 3 or 1 channels are
    asked for, and the camera's orientation (EXIF) is applied.

    Args:
        path: The file, or its bytes.
        channels: 3 for RGB, 1 for gray, 4 for RGB and 2 for gray with opacity; any number for
            TIFFs and arrays.
        value_range: The values of black and white in images of more than 8 bits; None takes 0 and
            65535 for 16 bits, 0 and 1 for floats.
        name: What to call it in a message; None takes the path.

    Returns:
        The image `[channels, H, W]`, uint8 or float32 in [0, 1].

    Raises:
        UnreadableImageError: If the file is truncated, corrupt, not an image, has other channels,
            or is so large (over 179 million pixels) that it may be meant to exhaust the memory.
        FileNotFoundError: If there is no such file.
        ImportError: If a TIFF takes a package that is missing.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> from metaug.datamodules import read_image
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     Image.new("L", (8, 6)).save(file.name)
        ...     read_image(file.name).shape
        torch.Size([3, 6, 8])
    """
    check(channels, "channels", at_least=1, whole=True)
    check_value_range(value_range)
    try:
        if is_array_file(path):
            return to_pixels(read_array(path, channels), channels, value_range)
        if channels not in (1, 3) and is_tiff(path):
            return _read_tiff(path, channels, value_range)
        try:
            return _read_with_pillow(path, channels, value_range)
        except UnidentifiedImageError:
            if not is_tiff(path):
                raise
            return _read_tiff(path, channels, value_range)
    except ImportError:
        raise
    except Exception as error:  # decoders raise nearly anything
        reason = str(error).rstrip(".") or type(error).__name__
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


def image_size(path: ImageFileLike, channels: int = 3) -> tuple[int, int]:
    """Height and width of an image file before it is turned upright, from its header.

    Raises:
        Exception: Whatever is wrong with the file.
    """
    if is_array_file(path):
        return array_size(path, channels)
    if channels not in (1, 3) and is_tiff(path):
        return tiff_size(path, channels)
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except UnidentifiedImageError:
        return tiff_size(path, channels)


def _read_tiff(path: ImageFileLike, channels: int, value_range: ValueRange) -> Tensor:
    values, alpha, orientation = read_tiff(path, channels)
    upright = _UPRIGHT.get(orientation, np.asarray)(values)
    return to_pixels(upright, channels, value_range, alpha=alpha)


def _read_with_pillow(path: ImageFileLike, channels: int, value_range: ValueRange) -> Tensor:
    with Image.open(path) as file:
        layout = _layout(file)
        file.load()
        if layout in _OTHER_ORDER:
            values = _deep_colors(file, path, layout)
        else:
            values = array_of(file, channels)
        upright = _UPRIGHT.get(_orientation(file), np.asarray)(values)
        return to_pixels(upright, channels, value_range, alpha=layout.startswith("RGBA;16"))


def _deep_colors(file: ImageFile, path: ImageFileLike, layout: str) -> np.ndarray:
    """Colors of 16 bits `[H, W, C]`, uint16: decoded once for each byte."""
    with Image.open(path) as again:
        other: Any = _OTHER_ORDER[layout]
        again.tile = [
            tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other)
            for tile in again.tile
        ]
        return np.asarray(file).astype(np.uint16) * np.uint16(256) + np.asarray(again)


def _layout(file: ImageFile) -> str:
    """How Pillow calls the order of a file's bytes.

    Raises:
        ValueError: If there are 16 bits of which Pillow gives 8 alone.
    """
    if not file.tile:
        return ""
    codec = file.tile[0].codec_name
    arguments: Any = file.tile[0].args or ""
    layout = arguments if isinstance(arguments, str) else str(arguments[0])
    deep_ppm = codec.startswith("ppm") and file.mode == "RGB" and max(arguments[1:]) > 255
    if layout == "LA;16B" or deep_ppm:
        raise ValueError("Pillow gives the upper 8 of its 16 bits; convert it to TIFF")
    return layout


def _orientation(file: Image.Image) -> int:
    """How an image must be turned as its EXIF block says; 1, upright, if that makes no sense.

    `ImageOps.exif_transpose` writes the rest of the block anew, which fails where a camera left
    odd values in it.
    """
    try:
        return file.getexif().get(ORIENTATION, 1)
    except Exception:  # parsers raise nearly anything
        return 1
