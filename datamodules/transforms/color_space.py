"""Color spaces that part lightness from color: Lab and YCbCr, as scikit-image defines them."""

from typing import Literal

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

ColorSpace = Literal["lab", "ycbcr"]

# Middle and half width of every channel's range: the normalization of CMC (Tian et al., ECCV 2020),
# which the paper's code shares.
CENTER: dict[str, tuple[float, float, float]] = {
    "lab": (50.0, (98.233 - 86.183) / 2, (94.478 - 107.857) / 2),
    "ycbcr": (116.151, 121.080, 132.342),
}
HALF_RANGE: dict[str, tuple[float, float, float]] = {
    "lab": (50.0, (98.233 + 86.183) / 2, (94.478 + 107.857) / 2),
    "ycbcr": (109.500, 111.855, 111.964),
}

# ITU-R BT.601, for RGB in [0, 1] and Y in 16..235.
_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_YCBCR_OFFSET = (16.0, 128.0, 128.0)


def check_has_colors(channels: int) -> None:
    """Refuse a number of channels other than that of RGB.

    Raises:
        ValueError: If it is not 3.
    """
    if channels != 3:
        raise ValueError(
            f"A color space needs images with 3 channels, but these have {channels}. Set "
            "image_channels: 3, or take other views: SimCLRViews for gray images, AnyChannelViews "
            "(--config any_channels.yaml) for other channels."
        )


def from_rgb(images: Tensor, space: ColorSpace) -> Tensor:
    """Convert RGB images `[N, 3, H, W]` in [0, 1] to a color space, in its usual units."""
    check_has_colors(images.shape[1])
    if space == "lab":
        return rgb_to_lab(images)
    red, green, blue = images.unbind(1)
    rows = zip(_YCBCR, _YCBCR_OFFSET, strict=True)
    return torch.stack([r * red + g * green + b * blue + o for (r, g, b), o in rows], dim=1)


def to_rgb(images: Tensor, space: ColorSpace) -> Tensor:
    """Convert images `[N, 3, H, W]` in a color space back to RGB in [0, 1]."""
    if space == "lab":
        return lab_to_rgb(images).clamp(0, 1)
    inverse = torch.linalg.inv(torch.tensor(_YCBCR, dtype=torch.float64)).to(images)
    shifted = images - torch.tensor(_YCBCR_OFFSET).to(images)[:, None, None]
    return torch.einsum("ij,njhw->nihw", inverse, shifted).clamp(0, 1)
