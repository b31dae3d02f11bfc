"""Running training steps of a module under a real Trainer: timed, or their work counted."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.datamodules import MultiViewBatch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

clock: Callable[[], float] = time.perf_counter
"""What a step is timed with."""


class OneBatch(Dataset):
    """The same batch of random views, as often as asked for.

    Args:
        batch: Instances.
        size: Edge of the images in pixels.
        steps: How often.
        device: Where it lies.
        channels: Channels of each view.
    """

    def __init__(
        self, batch: int, size: int, steps: int, device: str, channels: tuple[int, ...] = (3, 3)
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        views = [torch.randn(batch, each, size, size, generator=generator) for each in channels]
        index = torch.arange(batch)
        self.batch = MultiViewBatch([view.to(device) for view in views], 0 * index, index)
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> MultiViewBatch:
        return self.batch


class Watch(pl.Callback):
    """Seconds from the start of a training step to the end of its optimizers' steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Start."""
        _synchronize()
        self.start = clock()

    def on_train_batch_end(self, *_: Any) -> None:
        """Stop."""
        _synchronize()
        self.seconds.append(clock() - self.start)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def run(
    module: pl.LightningModule, data: OneBatch, precision: str, device: str, *more: pl.Callback
) -> list[float]:
    """Train on all of the data; the seconds of each step.

    Args:
        module: What is trained.
        data: Its batches.
        precision: The Trainer's.
        device: `cpu` or `cuda`.
        more: Callbacks that watch.
    """
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        logger=False,
        callbacks=[watch, *more],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(data, batch_size=None))
    return watch.seconds


class _NoModules:
    """Stands for the counter's module tracker, whose hooks `autograd.grad` does not bear."""

    parents = frozenset({"Global"})

    def __enter__(self) -> "_NoModules":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def count_flops(module: pl.LightningModule, data: OneBatch, precision: str, device: str) -> float:
    """Floating-point operations of a training step, by torch's counter."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]
    with counter:
        run(module, data, precision, device)
    return counter.get_total_flops() / len(data)
