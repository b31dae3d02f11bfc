"""A callback that notes how long the parts of every epoch take."""

import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch


class EpochClock(pl.Callback):
    """Appends JSON lines: seconds of the training steps and of validation, images per second.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.marks: dict[str, float] = {}

    def _mark(self, name: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.marks[name] = time.perf_counter()

    def setup(self, *_: Any, **__: Any) -> None:
        """The run begins."""
        self.marks.setdefault("setup", time.perf_counter())

    def on_train_epoch_start(self, *_: Any) -> None:
        """Training steps begin."""
        self._mark("start")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """After the last batch training steps end."""
        if trainer.is_last_batch:
            self._mark("trained")

    def on_validation_start(self, *_: Any) -> None:
        """Validation begins."""
        self._mark("validation")

    def on_validation_end(self, *_: Any) -> None:
        """Validation ends."""
        self._mark("validated")

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        """Append the epoch."""
        marks = self.marks
        training = marks["trained"] - marks["start"]
        record = {
            "epoch": trainer.current_epoch,
            "until the first epoch": marks["start"] - marks["setup"],
            "training": training,
            "images_per_s": trainer.num_training_batches * trainer.datamodule.batch_size / training,
            "validation": marks.get("validated", 0) - marks.get("validation", 0),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
