"""A callback that notes how long the parts of every epoch take."""

import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch


class EpochClock(pl.Callback):
    """Appends a JSON line for each epoch, when the next one begins or the run ends.

    Seconds of the training steps, of validation and of the whole epoch with probes, checkpoints
    and all else that happens until the next; images per second of the training steps.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.marks: dict[str, float] = {}
        self.record: dict[str, float] = {}
        self.began = 0.0

    def _mark(self, name: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.marks[name] = time.perf_counter()

    def setup(self, *_: Any, **__: Any) -> None:
        """The run begins."""
        self.marks.setdefault("setup", time.perf_counter())

    def on_train_epoch_start(self, *_: Any) -> None:
        """Training steps begin, and the epoch before is over."""
        self._mark("start")
        self._append()

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
        """Note the epoch."""
        marks = self.marks
        training = marks["trained"] - marks["start"]
        images = trainer.num_training_batches * trainer.datamodule.batch_size
        self.began = marks["start"]
        self.record = {
            "epoch": trainer.current_epoch,
            "until the first epoch": marks["start"] - marks["setup"],
            "training": training,
            "images": images,
            "images_per_s": images / training,
            "validation": marks.pop("validated", 0) - marks.pop("validation", 0),
        }

    def on_train_end(self, *_: Any) -> None:
        """The last epoch is over."""
        self._mark("start")
        self._append()

    def _append(self) -> None:
        if self.record:
            whole = {"whole": self.marks["start"] - self.began}
            with self.path.open("a") as file:
                file.write(json.dumps(self.record | whole) + "\n")
        self.record = {}
