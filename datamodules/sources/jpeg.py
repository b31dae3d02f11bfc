"""JPEG files whose bytes may be decoded on a device, and their decoding."""

import io
import warnings

import torch
from PIL import Image
from torch import Tensor

from .decode import ORIENTATION

_END = b"\xff\xd9"


def is_plain_jpeg(data: bytes | bytearray) -> bool:
    """Whether every decoder gives the same image: whole, in YCbCr, upright.

    What is left to Pillow: gray and CMYK images, colors that are stored as RGB, images that EXIF
    turns, files of several images, and what does not end as a JPEG does.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            info = image.info
            return (
                (image.format, image.mode) == ("JPEG", "RGB")
                and data.endswith(_END)
                and info.get("adobe_transform", 1) == 1
                and any(name in info for name in ("jfif", "exif", "adobe"))
                and image.getexif().get(ORIENTATION, 1) == 1
            )
    except Exception:  # parsers raise nearly anything
        return False


def decode_jpegs(files: list[Tensor], channels: int, device: torch.device) -> list[Tensor | None]:
    """Decode plain JPEGs on a device.

    Args:
        files: The bytes of each `[B]`, uint8, on the CPU.
        channels: 3 for RGB, 1 for gray.
        device: Where to; torchvision decodes on GPUs and on the CPU.

    Returns:
        The images `[channels, H, W]`, uint8; None for what is corrupt.
    """
    if not files:
        return []
    try:
        images = _decode(files, device)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        if len(files) == 1:
            return [None]
        return [image for file in files for image in decode_jpegs([file], channels, device)]
    return [image if channels == 3 else luma(image) for image in images]


def check_decoder(device: torch.device) -> None:
    """Refuse a device on which torchvision decodes nothing.

    Raises:
        ValueError: If a tiny image cannot be decoded there.
    """
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    try:
        _decode([torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)], device)
    except Exception as error:  # ImportError, RuntimeError, ...
        raise ValueError(
            f"augment_on='device' needs torchvision's JPEG decoder, which fails on {device}: "
            f"{error}. Set augment_on to 'workers'."
        ) from error


def luma(image: Tensor) -> Tensor:
    """Gray values `[1, H, W]` of an RGB image, uint8, as Pillow rounds them."""
    red, green, blue = image.to(torch.int32).unbind(0)
    gray = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    return gray.to(torch.uint8)[None]


def _decode(files: list[Tensor], device: torch.device) -> list[Tensor]:
    from torchvision.io import ImageReadMode, decode_jpeg

    with warnings.catch_warnings():
        # torchvision 0.29 deprecates its decoders for those of TorchCodec, which is no requirement
        warnings.simplefilter("ignore", DeprecationWarning)
        return decode_jpeg(files, ImageReadMode.RGB, device)
