"""Callbacks that stop a run from inside, at a given training step."""

import os
import signal

from pytorch_lightning import Callback, LightningModule, Trainer


class Stop(Callback):
    """Send a signal to this process after a training step.

    Args:
        step: Training steps that are done by then.
        name: `SIGKILL` or `SIGTERM`.
        rank: The process that is stopped.
    """

    def __init__(self, step: int, name: str = "SIGKILL", rank: int = 0) -> None:
        self.step = step
        self.name = name
        self.rank = rank

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args) -> None:
        if trainer.global_step == self.step and trainer.global_rank == self.rank:
            os.kill(os.getpid(), getattr(signal, self.name))


class Interrupt(Callback):
    """Press Ctrl-C in the middle of a training step, when the generator has made its step.

    Args:
        step: Training steps that are done before.
        times: How often it is pressed.
    """

    def __init__(self, step: int, times: int = 1) -> None:
        self.step = step
        self.times = times

    def on_before_optimizer_step(self, trainer: Trainer, *args) -> None:
        if trainer.global_step == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
