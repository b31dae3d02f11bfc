"""Where views are made: in the processes that read the images, or on the model's device."""

from typing import Any, Literal

import pytorch_lightning as pl
import torch

from ..sources.files import root_files
from ..sources.image_source import ImageSource
from ..sources.jpeg import check_decoder
from ..transforms.ranges import check_choice
from ..views.base import Views
from .batch import ImageBatch, IndexBatch, MultiViewBatch
from .dataset import MultiViewDataset
from .encoded import EncodedBatch, EncodedDataset, decode
from .held import HeldImages, IndexDataset, hold

AugmentOn = Literal["auto", "workers", "device"]
TrainingSet = MultiViewDataset | IndexDataset | EncodedDataset


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
        ValueError: If the device is asked for, but the images differ in size and are no files.
    """
    if augment_on == "auto":
        return device_of(trainer).type != "cpu" and source.uniform and views.in_batches
    if augment_on == "device" and not source.uniform and root_files(source) is None:
        raise ValueError(
            "augment_on='device' needs image files, or images of one size in memory: set in_memory "
            "to true, or augment_on to 'workers'."
        )
    return augment_on == "device"


def evaluates_on_device(
    augment_on: AugmentOn, source: ImageSource, views: Views, size: int, trainer: pl.Trainer | None
) -> bool:
    """Whether evaluation images travel as 8-bit values: a quarter of the bytes, the same numbers.

    Args:
        augment_on: Not where it is `workers`.
        source: The images; none of them may have to be resized.
        views: Whose evaluation transform to use.
        size: Edge of the images in pixels.
        trainer: Knows the device, which must be an accelerator.
    """
    if augment_on == "workers" or not (source.uniform and views.in_batches and len(source)):
        return False
    return device_of(trainer).type != "cpu" and source.read([0])[0].shape[1:] == (size, size)


def device_of(trainer: pl.Trainer | None) -> torch.device:
    """The model's device; without a trainer the CPU."""
    return torch.device("cpu") if trainer is None else trainer.strategy.root_device


class ViewsOnDevice:
    """What a data module does on the model's device, and the images that it keeps there."""

    def __init__(self) -> None:
        self.held: HeldImages | None = None
        self.files: EncodedDataset | None = None

    def training_set(
        self,
        augment_on: AugmentOn,
        source: ImageSource,
        views: Views,
        trainer: pl.Trainer | None,
        seed: int,
    ) -> TrainingSet:
        """What the training loader reads: views, raw images, files, or indices of held images."""
        if not augments_on_device(augment_on, source, views, trainer):
            return MultiViewDataset(source, views, seed=seed)
        if not source.uniform:
            check_decoder(device_of(trainer))
            self.files = EncodedDataset(source, seed=seed)
            return self.files
        if self.held is None or self.held.source is not source:
            self.held = hold(source, device_of(trainer))
        if self.held is None:
            return MultiViewDataset(source, views, seed=seed, raw=True)
        return IndexDataset(source, seed=seed)

    @torch.no_grad()
    def make(self, batch: Any, views: Views) -> Any:
        """The views of raw, encoded or held images; other batches as they are.

        Raises:
            RuntimeError: If the images are held no more.
        """
        if isinstance(batch, IndexBatch):
            if self.held is None:
                raise RuntimeError(
                    "the images of this batch have left the device with the end of the run: ask "
                    "the data module for a new loader"
                )
            batch = self.held.take(batch)
        if isinstance(batch, EncodedBatch):
            assert self.files is not None
            batch = decode(batch, self.files.source, self.files.seed)
        if isinstance(batch, ImageBatch):
            return MultiViewBatch(views(batch.image, batch.seed), batch.target, batch.index)
        return batch

    def release(self) -> None:
        """Let go of the images."""
        self.held = None
