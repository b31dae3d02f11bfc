"""Where views are made: in the processes that read the images, or on the model's device."""

from typing import Literal

import pytorch_lightning as pl
import torch

from ..sources.image_source import ImageSource
from ..transforms.ranges import check_choice
from ..views.base import Views
from .batch import ImageBatch, MultiViewBatch

AugmentOn = Literal["auto", "workers", "device"]


def check_augment_on(augment_on: AugmentOn, views: Views) -> None:
    """Refuse an unknown choice, and the device for views that take one image at a time."""
    check_choice(augment_on, "augment_on", ["auto", "workers", "device"])
    if augment_on == "device" and not views.in_batches:
        raise ValueError(
            f"augment_on='device' needs views that work on batches, but {type(views).__name__} "
            "works on one image at a time: set augment_on to 'workers'."
        )


def augments_on_device(
    augment_on: AugmentOn, source: ImageSource, views: Views, trainer: pl.Trainer | None
) -> bool:
    """Whether loaders give raw images, whose views are made on the device.

    Args:
        augment_on: `auto` is true for images in memory when the model is on an accelerator.
        source: The training images.
        views: Make the views.
        trainer: Knows the device; without one it is the CPU.

    Raises:
        ValueError: If the device is asked for, but the images differ in size.
    """
    if augment_on == "auto":
        device = "cpu" if trainer is None else trainer.strategy.root_device.type
        return device != "cpu" and source.uniform and views.in_batches
    if augment_on == "device" and not source.uniform:
        raise ValueError(
            "augment_on='device' needs images of one size in memory: set in_memory to true, or "
            "augment_on to 'workers'."
        )
    return augment_on == "device"


@torch.no_grad()
def make_views(batch: ImageBatch, views: Views) -> MultiViewBatch:
    """The views of raw images."""
    return MultiViewBatch(views(batch.image, batch.seed), batch.target, batch.index)
