"""What happens to runs, as callbacks."""

import os
import signal
from pathlib import Path

import pytorch_lightning as pl

from metaug.runs import read_run


class Signals(pl.Callback):
    """Sends a signal to its own process in the second epoch.

    Args:
        name: The signal.
    """

    def __init__(self, name: str) -> None:
        self.signal = signal.Signals[name]

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), self.signal)


class Fails(pl.Callback):
    """Raises an error in the second epoch."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 1:
            raise ValueError("the second epoch\nis too much")


class Looks(pl.Callback):
    """Reads its own run while it runs, in the second epoch."""

    seen = None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 1:
            Looks.seen = read_run(Path(trainer.log_dir))
