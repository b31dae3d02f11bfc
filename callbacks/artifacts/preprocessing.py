"""How an image file becomes what a backbone takes: in timm's words, and as Python for the card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaug.datamodules.transforms.color_space import ColorSpace
from metaug.datamodules.views.base import Views
from metaug.datamodules.views.color_space_views import ColorSpaceViews
from metaug.datamodules.views.one_view import OneView

_OPEN = """import numpy as np
from PIL import Image, ImageOps

size = {size}
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{mode}")
short = min(image.size)  # becomes `size`; then the middle
image = image.resize([edge * size // short for edge in image.size], Image.Resampling.BILINEAR)
left, top = (round((edge - size) / 2) for edge in image.size)
image = image.crop((left, top, left + size, top + size))
"""
_UNIT = """pixels = np.asarray(image, np.float32).reshape(size, size, {channels}) / 255
"""
_LAB = """import torch
from kornia.color import rgb_to_lab  # pip install kornia

lab = rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
pixels = lab.permute(1, 2, 0).numpy()
"""
_YCBCR = """rows = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
pixels = pixels @ np.array(rows).T + [16, 128, 128]
"""
_NORMALIZE = """mean, std = {mean}, {std}
images = ((pixels - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
"""
_ARRAY = """import numpy as np
import tifffile
import torch
from torchvision.transforms.v2.functional import center_crop, resize

size = {size}
values = tifffile.imread("image.tif")  # [H, W, C], upright; of other files as their reader gives it
values = values.reshape(*values.shape[:2], {channels})
{scale}
pixels = torch.from_numpy(values).permute(2, 0, 1)
short = min(pixels.shape[1:])
pixels = resize(pixels, [edge * size // short for edge in pixels.shape[1:]], antialias=True)
pixels = center_crop(pixels, [size, size]).permute(1, 2, 0).numpy(){unit}
"""


@dataclass(frozen=True)
class Preprocessing:
    """How the images were prepared on which a backbone was evaluated.

    Attributes:
        channels: Of the images that the backbone takes.
        image_size: Their edge in pixels; None if it is not known.
        mean: Of each channel, on images in [0, 1]; None if it is not known.
        std: Of each channel.
        image_channels: Of the data's images; None if it is not known.
        deep: Whether pixels are floats in [0, 1] rather than 8 bits.
        value_range: The values of black and white in deep images.
        color_space: What RGB is turned into.
        transform: What prepares images in a way of its own; None if nothing does.
    """

    channels: int
    image_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_channels: int | None = None
    deep: bool = False
    value_range: tuple[float, float] | None = None
    color_space: ColorSpace | None = None
    transform: str | None = None

    @property
    def why_unknown(self) -> str | None:
        """Why it cannot be said how images are prepared, or None."""
        if self.transform is not None:
            return f"`{self.transform}` prepares images in a way of its own: use it"
        if self.image_channels not in (None, self.channels):
            return (
                f"the backbone takes {self.channels} of the {self.image_channels} channels of an "
                "image, as an encoder for one view: see config.yaml"
            )
        if self.image_size is None or self.mean is None or self.std is None:
            return (
                "how images were prepared is not recorded: there was no config of the run, or its "
                "loaders do not say it. Prepare them as in training; what timm's "
                "`resolve_data_config` says is that of its own weights"
            )
        return None

    @property
    def in_timm(self) -> bool:
        """Whether timm's own transform of an opened image file does it."""
        in_colors = self.channels in (1, 3) and self.color_space is None
        return self.why_unknown is None and in_colors and not self.deep

    @property
    def mode(self) -> str:
        """What Pillow calls such images."""
        return "L" if self.channels == 1 else "RGB"

    def pretrained_cfg(self) -> dict[str, Any]:
        """What timm's `resolve_data_config` reads."""
        known: dict[str, Any] = {}
        if self.image_size is not None:
            known |= {"input_size": [self.channels, self.image_size, self.image_size]}
            known |= {"crop_pct": 1.0, "crop_mode": "center", "interpolation": "bilinear"}
        if self.mean is not None and self.std is not None and len(self.mean) == self.channels:
            known |= {"mean": list(self.mean), "std": list(self.std)}
        return known

    def words(self) -> str:
        """A sentence for people."""
        if (reason := self.why_unknown) is not None:
            return reason[0].upper() + reason[1:] + "."
        pixels = "pixels in [0, 1]" if not self.deep else self._deep_words()
        space = f", RGB as {self.color_space.upper()}" if self.color_space else ""
        return (
            f"The shorter edge is resized to {self.image_size} pixels (bilinear, antialiased; the "
            f"other one rounded down), the middle square kept; {pixels}{space}, minus mean "
            f"{_numbers(self.mean)}, divided by std {_numbers(self.std)}. "
            f"Channels: {self.channels}."
        )

    def _deep_words(self) -> str:
        if self.value_range is None:
            return "16-bit values divided by 65535, floats as they are"
        return f"values from {self.value_range[0]:g} to {self.value_range[1]:g} scaled to [0, 1]"

    def lines(self) -> str:
        """Python that reads a file into `images`, float32 `[1, C, H, W]`, in numpy.

        Without timm: for onnxruntime, and where timm's transform does something else.
        """
        values = {"size": self.image_size, "channels": self.channels, "mode": self.mode}
        normalize = _NORMALIZE.format(mean=_numbers(self.mean), std=_numbers(self.std))
        if self.deep or self.channels not in (1, 3):
            unit = "" if self.deep else " / np.float32(255)"
            return _ARRAY.format(**values, scale=self._scale(), unit=unit) + normalize
        space = {None: "", "lab": _LAB, "ycbcr": _YCBCR}[self.color_space]
        return _OPEN.format(**values) + _UNIT.format(**values) + space + normalize

    def _scale(self) -> str:
        if not self.deep:
            return "# 8 bits stay 8 bits while they are resized"
        if self.value_range is None:
            return (
                "if values.dtype == np.uint16:\n"
                "    values = values / np.float32(65535)\n"
                "values = values.astype(np.float32)"
            )
        low, high = self.value_range
        return (
            f"values = ((values.astype(np.float64) - {low!r}) / {high - low!r}).clip(0, 1)\n"
            "values = values.astype(np.float32)"
        )


def _numbers(values: tuple[float, ...] | None) -> list[float]:
    return list(values or ())


def preprocessing_of(datamodule: Any) -> dict[str, Any]:
    """What a data module says of its images, as the arguments of `Preprocessing`, where it does.

    Args:
        datamodule: One of this project, or another, or None; its data need not be there.
    """
    views = getattr(datamodule, "views", None)
    while isinstance(views, OneView):
        views = views.like
    if not isinstance(views, Views):
        return {name: getattr(datamodule, name, None) for name in ("image_size", "image_channels")}
    channels = datamodule.image_channels
    said: dict[str, Any] = {
        "image_size": datamodule.image_size,
        "image_channels": channels,
        "mean": tuple(map(float, (0.0,) * channels if views.mean is None else views.mean)),
        "std": tuple(map(float, (1.0,) * channels if views.std is None else views.std)),
    }
    if isinstance(views, ColorSpaceViews):
        said["color_space"] = views.space
    elif type(views).evaluate is not Views.evaluate:
        said["transform"] = f"{type(views).__name__}.evaluate"
    if _is_deep(datamodule):
        said |= {"deep": True, "value_range": getattr(datamodule, "value_range", None)}
    return said


def _is_deep(datamodule: Any) -> bool:
    """Whether the first training image has more than 8 bits, or, without data, a `value_range`."""
    try:
        return bool(datamodule.splits.train.read([0])[0].is_floating_point())
    except (AttributeError, IndexError, NotImplementedError, OSError, ValueError):
        return getattr(datamodule, "value_range", None) is not None


def described(channels: int, said: Mapping[str, Any] | None) -> Preprocessing:
    """The preprocessing of a backbone of so many channels, as its data module says it.

    Args:
        channels: What the backbone takes.
        said: What `preprocessing_of` gives, or a part of it.
    """
    known = {name: value for name, value in (said or {}).items() if value is not None}
    for name in ("mean", "std"):
        if name in known:
            known[name] = tuple(float(value) for value in known[name])
    return Preprocessing(channels, **known)
