"""Running training steps of a module under a real Trainer, timed, counted or watched."""

import logging
import time
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from ..memory import PeakMemory

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")


class OneBatch(Dataset):
    """The same batch of two random views, as often as asked for."""

    def __init__(self, batch: int, size: int, steps: int, device: str) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, size, size)
        self.views = [torch.randn(shape, generator=generator).to(device) for _ in range(2)]
        self.target = torch.zeros(batch, dtype=torch.int64)
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.views, self.target


class Watch(pl.Callback):
    """Seconds from the start of a training step to the end of its optimizers' steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Start."""
        _synchronize()
        self.start = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Stop."""
        _synchronize()
        self.seconds.append(time.perf_counter() - self.start)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def run(module: pl.LightningModule, data: OneBatch, precision: str, device: str) -> list[float]:
    """Train on all of the data; the seconds of each step."""
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        logger=False,
        callbacks=[watch],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        barebones=False,
    )
    trainer.fit(module, DataLoader(data, batch_size=None))
    return watch.seconds


def count_flops(module: pl.LightningModule, data: OneBatch, precision: str, device: str) -> float:
    """Floating-point operations of a training step, by torch's counter."""
    with FlopCounterMode(display=False) as counter:
        run(module, data, precision, device)
    return counter.get_total_flops() / len(data)


def peak_memory(module: pl.LightningModule, data: OneBatch, precision: str, device: str) -> float:
    """Peak memory of training steps above what module and data take, in MiB."""
    with PeakMemory(torch.device(device)) as memory:
        run(module, data, precision, device)
    return memory.peak
