"""A trial tells its sweep the score: a line for each validation that took it."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from metaug.interrupt import GRACE
from metaug.sweeps.score_lines import VARIABLE


class ScoreFile(Callback):
    """Writes the score of a trial to the file that its sweep reads, whatever the loggers are.

    Without a sweep that says so in the environment it does nothing: the saved config of a trial is
    that of any run. It also ends a trial, with a checkpoint, whose sweep was killed.

    Examples:
        >>> ScoreFile().metric is None  # no sweep
        True
    """

    def __init__(self) -> None:
        told: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
        self.metric: str | None = told.get("metric")
        self.path = Path(told.get("scores", ""))
        self.launcher: int | None = told.get("sweep")
        self._last: Any = None  # a score that stays where no new one was taken

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Watch the sweep from the one process that it started."""
        if self.launcher is not None and os.environ.get("LOCAL_RANK", "0") == "0":
            threading.Thread(target=_end_with, args=(self.launcher,), daemon=True).start()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the validation took."""
        self._write_score(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what was logged without a validation."""
        self._write_score(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what was logged, for the case that the score never was."""
        self._write_line(trainer, names=sorted(trainer.callback_metrics))

    def _write_score(self, trainer: pl.Trainer) -> None:
        value = trainer.callback_metrics.get(self.metric) if self.metric else None
        if value is None or value is self._last or trainer.sanity_checking:
            return
        self._last = value
        self._write_line(trainer, value=float(value))

    def _write_line(self, trainer: pl.Trainer, **what: Any) -> None:
        if self.metric is None or not trainer.is_global_zero:
            return
        step, epoch = trainer.global_step, trainer.current_epoch + 1
        epochs, steps = trainer.max_epochs or -1, trainer.max_steps  # -1 for no limit
        line = {
            "step": step,
            "epoch": min(epoch, epochs) if epochs > 0 else epoch,
            "last": 0 < epochs <= epoch or 0 < steps <= step,
            **what,
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(line)}\n")  # the line before may have been cut off


def _end_with(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)  # ends after the step in progress, with a checkpoint
    time.sleep(GRACE)
    os._exit(1)
