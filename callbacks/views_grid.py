"""Figure: training images and the views that training sees of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from metaug.lightning_modules.training.batch_formats import read_training_batch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from .artifacts.run_files import publish
from .plotting.style import MUTED, bare, style


def picture(image: Tensor) -> np.ndarray:
    """`[H, W, 3]` in [0, 1] to show an image `[C, H, W]`; what is not in [0, 1] is rescaled."""
    image = image.detach().float().cpu()
    if image.shape[0] == 1:
        image = image.expand(3, -1, -1)
    elif image.shape[0] == 2:
        image = torch.cat([image, image.mean(0, keepdim=True)])
    image = image[:3]
    low, high = image.min(), image.max()
    if low < 0 or high > 1:
        image = (image - low) / (high - low).clamp_min(1e-6)
    return image.permute(1, 2, 0).numpy()


def draw_views(views: Sequence[Sequence[Tensor]], originals: Sequence[Tensor] = ()) -> Figure:
    """One column for each image: the image, if it is known, above its views.

    Args:
        views: For each image, its views `[C, H, W]`.
        originals: The images `[C, H, W]`, or nothing.
    """
    columns = [[*originals[i : i + 1], *views_of_image] for i, views_of_image in enumerate(views)]
    names = ["image"] * bool(originals) + [f"view {v + 1}" for v in range(len(views[0]))]
    with style():
        figure = Figure(figsize=(0.95 * len(columns) + 0.6, 0.95 * len(names)))
        grid = figure.subplots(len(names), len(columns), squeeze=False)
        figure.subplots_adjust(wspace=0.06, hspace=0.06)
        for column, images in enumerate(columns):
            for row, image in enumerate(images):
                axes = grid[row, column]
                bare(axes)
                pixels = picture(image)
                axes.imshow(pixels, interpolation="nearest" if pixels.shape[0] < 64 else None)
        for row, name in enumerate(names):
            grid[row, 0].set_ylabel(
                name, rotation=0, ha="right", va="center", labelpad=6, color=MUTED
            )
    return figure


class ViewsGrid(Callback):
    """Draws `figures/views_grid.png` when training starts.

    A datamodule with `example_views(count)` gives images with their views; of other data the
    views of the first batch are shown.

    Args:
        images: Number of images, one column each.

    Examples:
        >>> ViewsGrid(images=4).written
        []
    """

    def __init__(self, images: int = 8) -> None:
        if images < 1:
            raise ValueError(f"images={images}, but it must be 1 or above")
        self.images = images
        self.written: list[Path] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask the datamodule for images and views."""
        datamodule: Any = getattr(trainer, "datamodule", None)
        if hasattr(datamodule, "example_views"):
            with isolate_rng():
                originals, views = datamodule.example_views(self.images)
            self.written = publish(trainer, draw_views(views, originals), "views_grid")

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Show the first batch of other data."""
        datamodule: Any = getattr(trainer, "datamodule", None)
        if trainer.global_step == 0 and batch_idx == 0 and not hasattr(datamodule, "example_views"):
            views = read_training_batch(batch).views
            count = min(self.images, len(views[0]))
            figure = draw_views([[view[i] for view in views] for i in range(count)])
            self.written = publish(trainer, figure, "views_grid")
