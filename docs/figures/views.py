"""Draw a grid of every kind of view: `python docs/figures/views.py [FOLDER]`.

The photos come with scikit-image (public domain or CC0), the digits with scikit-learn. With a
FOLDER of images of 32 pixels, one sub-folder per class, only the views of those are drawn.
"""

import sys
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
    ImageFolderDataModule,
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
    rows = [[image, *its_views] for image, its_views in zip(originals, views, strict=True)]
    figure, axes = plt.subplots(
        len(rows), len(rows[0]), figsize=(1.5 * len(rows[0]), 1.5 * len(rows) + 0.3), squeeze=False
    )
    for row_axes, row in zip(axes, rows, strict=True):
        for axis, picture in zip(row_axes, row, strict=True):
            draw(axis, picture)
    for axis, title in zip(axes[0], ["image", *titles], strict=True):
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


def numbered(count: int, name: str = "view") -> list[str]:
    """Titles of `count` views."""
    return [f"{name} {number}" for number in range(1, count + 1)]


def main(folder: str | None) -> None:
    """Draw all grids, or that of a folder."""
    torch.manual_seed(0)
    if folder is not None:
        data_of_folder = ImageFolderDataModule(
            folder, views=SimCLRViews(6), image_size=32, batch_size=4, num_workers=0
        )
        grid(data_of_folder, numbered(6), FOLDER / "views_photos.jpg")
        return
    small = SimCLRViews(6)
    large = SimCLRViews(6, strength=1.0, blur=0.5, solarize=0.2, crop_scale=(0.08, 1.0))
    crops = MultiCropViews(2, 4, changes=[SimCLRChanges(strength=1.0, blur=0.5)])
    kinds = {
        "digits": (DigitsDataModule(views=DigitViews(6), batch_size=4), numbered(6)),
        "simclr_small": (photos(small, 64), numbered(6)),
        "simclr": (photos(large, 160), numbered(6)),
        "multi_crop": (
            photos(crops, 160),
            [*numbered(2, "global"), *numbered(4, "local")],
        ),
        "lab": (photos(ColorSpaceViews("lab"), 160), ["L", "ab", "Lab"]),
        "ycbcr": (photos(ColorSpaceViews("ycbcr"), 160), ["Y", "CbCr", "YCbCr"]),
    }
    for name, (datamodule, titles) in kinds.items():
        grid(datamodule, titles, FOLDER / f"views_{name}.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:2] or [None])
