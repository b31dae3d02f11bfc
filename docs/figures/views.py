"""Draw a grid of every kind of view: `python docs/figures/views.py`.

The photos come with scikit-image (public domain or CC0), the digits with scikit-learn.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from metaug.datamodules import (
    ColorSpaceViews,
    DatasetDataModule,
    DigitsDataModule,
    DigitViews,
    MultiCropViews,
    MultiViewDataModule,
    SimCLRChanges,
    SimCLRViews,
    Views,
)
from skimage import data
from torch import Tensor

FOLDER = Path(__file__).parent
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def photos(views: Views, size: int) -> MultiViewDataModule:
    """A data module over four photos."""
    images = [getattr(data, name)() for name in PHOTOS]
    return DatasetDataModule(images, views=views, image_size=size, batch_size=4, num_workers=0)


def grid(datamodule: MultiViewDataModule, titles: list[str], path: Path) -> None:
    """Draw images and their views, an image per row."""
    originals, views = datamodule.example_views(4)
    rows = [[image, *some] for image, some in zip(originals, views, strict=True)]
    figure, axes = plt.subplots(
        len(rows), len(rows[0]), figsize=(1.5 * len(rows[0]), 1.5 * len(rows) + 0.3), squeeze=False
    )
    for number, row in enumerate(rows):
        for axis, picture, title in zip(axes[number], row, ["image", *titles], strict=True):
            draw(axis, picture)
            if number == 0:
                axis.set_title(title, fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 88})
    plt.close(figure)
    print(path)


def draw(axis: plt.Axes, picture: Tensor) -> None:
    """Draw a picture `[1 or 3, H, W]`."""
    axis.imshow(picture.permute(1, 2, 0).squeeze(2).numpy(), cmap="gray", vmin=0, vmax=1)
    axis.set_xticks([])
    axis.set_yticks([])


def numbered(count: int) -> list[str]:
    """Titles of `count` views."""
    return [f"view {number + 1}" for number in range(count)]


def main() -> None:
    """Draw all grids."""
    torch.manual_seed(0)
    small = SimCLRViews(6)
    large = SimCLRViews(6, strength=1.0, blur=0.5, solarize=0.2, crop_scale=(0.08, 1.0))
    crops = MultiCropViews(2, 4, changes=[SimCLRChanges(strength=1.0, blur=0.5)])
    kinds = {
        "digits": (DigitsDataModule(views=DigitViews(6), batch_size=4), numbered(6)),
        "simclr_small": (photos(small, 64), numbered(6)),
        "simclr": (photos(large, 160), numbered(6)),
        "multi_crop": (
            photos(crops, 160),
            ["global 1", "global 2", *(f"local {number + 1}" for number in range(4))],
        ),
        "lab": (photos(ColorSpaceViews("lab"), 160), ["L", "ab", "Lab"]),
        "ycbcr": (photos(ColorSpaceViews("ycbcr"), 160), ["Y", "CbCr", "YCbCr"]),
    }
    for name, (datamodule, titles) in kinds.items():
        grid(datamodule, titles, FOLDER / f"views_{name}.jpg")


if __name__ == "__main__":
    main()
