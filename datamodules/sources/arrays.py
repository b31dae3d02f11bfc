"""Images that Pillow does not read: `.npy` arrays, and TIFFs of many bands or deep values."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from .pixels import ChannelError

ImageFileLike = str | Path | io.BytesIO
"""An image file: its path, or its bytes."""
_ARRAY = b"\x93NUMPY"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274
_OPACITY = {1, 2}  # kinds of extra samples


def is_array_file(path: ImageFileLike) -> bool:
    """Whether a file is a `.npy` array, by its name; bytes, which have none, by the first ones."""
    if isinstance(path, io.BytesIO):
        return path.getbuffer()[: len(_ARRAY)] == _ARRAY
    return str(path).lower().endswith(".npy")


def is_tiff(path: ImageFileLike) -> bool:
    """Whether a file is a TIFF, by its first bytes."""
    if isinstance(path, io.BytesIO):
        return bytes(path.getbuffer()[:4]) in _TIFF
    with open(path, "rb") as file:
        return file.read(4) in _TIFF


def channels_last(values: np.ndarray, channels: int) -> np.ndarray:
    """An array `[H, W]`, `[H, W, C]` or `[C, H, W]` as `[H, W, C]`.

    C is the outer axis that has as many entries as channels are asked for; with 1 or 3 asked for,
    also 3 or 1.

    Args:
        values: The array.
        channels: How many channels are asked for.

    Raises:
        ChannelError: If neither the first nor the last axis has as many.
        ValueError: If both have, or it has another number of axes.
    """
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3:
        raise ValueError(
            f"its shape is {list(values.shape)}, but an image is [H, W], [H, W, C] or [C, H, W]"
        )
    first, _, last = values.shape
    for count in {1: (1, 3), 3: (3, 1)}.get(channels, (channels,)):
        if first == last == count:
            raise ValueError(
                f"its shape {list(values.shape)} may be [H, W, C] or [C, H, W]; store it as TIFF, "
                "which says so"
            )
        if count in (first, last):
            return values if last == count else np.moveaxis(values, 0, 2)
    raise ChannelError(min(first, last), channels)


def read_array(path: ImageFileLike, channels: int) -> np.ndarray:
    """The array `[H, W, C]` of a `.npy` file; see `channels_last`."""
    return channels_last(np.load(path, allow_pickle=False), channels)


def array_size(path: ImageFileLike, channels: int) -> tuple[int, int]:
    """Height and width of the array in a `.npy` file, from its header."""
    values = np.load(path, mmap_mode=None if isinstance(path, io.BytesIO) else "r")
    height, width, _ = channels_last(values, channels).shape
    return height, width


def read_tiff(path: ImageFileLike, channels: int) -> tuple[np.ndarray, bool, int]:
    """The first image of a TIFF.

    Its channels are the samples of a pixel; where it has none but several pages, it is taken for an
    array of its pages, see `channels_last`.

    Args:
        path: The file.
        channels: How many channels are asked for.

    Returns:
        Values `[H, W, C]`, whether the last channel is the opacity, and the orientation (1 to 8).

    Raises:
        ImportError: If it takes a package that is missing.
    """
    with _open(path) as file:
        series = file.series[0]
        page = file.pages[0]
        try:
            values = series.asarray(maxworkers=1)
        except ValueError as error:
            if "imagecodecs" in str(error):
                raise ImportError(f"{_name(path)}: {error}. {_INSTALL}") from error
            raise
        axes = series.axes
        extra = tuple(getattr(page, "extrasamples", ()))
        tag = page.tags.get(_ORIENTATION)
    alpha = len(extra) == 1 and int(extra[0]) in _OPACITY
    return _by_axes(values, axes, channels), alpha, int(tag.value) if tag else 1


def tiff_size(path: ImageFileLike, channels: int) -> tuple[int, int]:
    """Height and width of a TIFF's first image, from its header."""
    with _open(path) as file:
        series = file.series[0]
        shape, axes = series.shape, series.axes
    height, width, _ = _by_axes(np.broadcast_to(np.uint8(0), shape), axes, channels).shape
    return height, width


def _by_axes(values: np.ndarray, axes: str, channels: int) -> np.ndarray:
    kept = [axis for axis, count in enumerate(values.shape) if count > 1 or axes[axis] in "YX"]
    values = values.reshape([values.shape[axis] for axis in kept])
    axes = "".join(axes[axis] for axis in kept)
    samples = next((axes.index(letter) for letter in "SC" if letter in axes), None)
    if samples is None or values.ndim != 3:
        return channels_last(values, channels)
    return np.moveaxis(values, samples, 2)


_INSTALL = "Install what reads such TIFFs: pip install 'metaug[images]'"


def _open(path: ImageFileLike) -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            f"{_name(path)} is a TIFF that Pillow does not read. {_INSTALL}"
        ) from error
    if isinstance(path, io.BytesIO):
        path.seek(0)  # others have read in it
    return tifffile.TiffFile(path)


def _name(path: ImageFileLike) -> str:
    return "an image in memory" if isinstance(path, io.BytesIO) else str(path)
