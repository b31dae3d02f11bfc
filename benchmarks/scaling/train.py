"""Worker: train MetAug on random images on the processes that torchrun started."""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MetaStep,
    MetAug,
    MetAugObjective,
)
from torch.utils.data import DataLoader, Dataset

from benchmarks.memory import PeakMemory


class RandomViews(Dataset):
    """Two random views of 32 pixels per instance."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[list[torch.Tensor], int]:
        generator = torch.Generator().manual_seed(index)
        return [torch.randn(3, 32, 32, generator=generator) for _ in range(2)], 0


class Clock:
    """Time that this process spends in collectives."""

    def __init__(self) -> None:
        self.spent = 0.0
        for name in ("all_gather", "all_reduce", "broadcast"):
            setattr(dist, name, self._timed(getattr(dist, name)))

    def _timed(self, collective: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            work = collective(*args, **kwargs)
            self.spent += time.perf_counter() - start
            return TimedWork(work, self) if kwargs.get("async_op") else work

        return run


class TimedWork:
    """A collective under way whose waiting is counted."""

    def __init__(self, work: Any, clock: Clock) -> None:
        self.work = work
        self.clock = clock

    def wait(self) -> None:
        """Wait for it."""
        start = time.perf_counter()
        self.work.wait()
        self.clock.spent += time.perf_counter() - start


class Measure(pl.Callback):
    """Time of each step, and of its communication."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.steps: list[float] = []
        self.shares: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Start."""
        self._synchronize(trainer)
        self.clock.spent, self.start = 0.0, time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop."""
        self._synchronize(trainer)
        self.steps.append(time.perf_counter() - self.start)
        self.shares.append(self.clock.spent / self.steps[-1])

    def _synchronize(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Train and write the result of the first process."""
    out, batch, engine, steps, device = sys.argv[1:]
    clock = Clock()
    model = MetAug(
        Encoder("resnet18", small_images=True),
        MetAugObjective(margin=MarginRegularization()),
        AugmentationGenerator(),
        meta=MetaStep(engine=engine),
    )
    measure = Measure(clock)
    world = int(os.environ["WORLD_SIZE"])
    trainer = pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=world,
        strategy="ddp" if world > 1 else "auto",
        max_steps=int(steps) + 2,
        logger=False,
        callbacks=[measure],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = RandomViews(int(batch) * (int(steps) + 2))
    with PeakMemory(torch.device(device)) as memory:
        trainer.fit(model, DataLoader(data, int(batch) // world))
    if trainer.is_global_zero:
        result = {
            "step": statistics.median(measure.steps[2:]),
            "communication": statistics.median(measure.shares[2:]),
            "memory": memory.peak,
        }
        Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
