"""What goes wrong: a fault of some kind, at some place of training, on one process or all."""

import os
import random
import signal
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from benchmarks.robustness.runs import PIDS

KINDS = ("error", "SIGTERM", "SIGTERM to all", "SIGINT", "SIGINT to all", "SIGKILL")
PLACES = (
    "on_train_batch_start",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_train_epoch_end",
    "on_save_checkpoint",
    "file",
)
"""Hooks of a callback, and `file`: a checkpoint is written, but not yet in its place."""


class Failure(RuntimeError):
    """The error that a fault raises."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: One of `KINDS`.
        place: One of `PLACES`.
        count: At which visit of the place.
        rank: The process that visits it, and is hit unless all are.
        delay: Seconds from there until the signal is sent.
    """

    kind: str
    place: str
    count: int
    rank: int
    delay: float

    @property
    def argument(self) -> str:
        """How the command line puts it into a run."""
        entry = {"class_path": f"{__name__}.CausesFault", "init_args": asdict(self)}
        return f"--trainer.callbacks+={entry!r}".replace("'", '"')


def draw(generator: random.Random, processes: int) -> Fault:
    """A fault at a random moment; every place and kind is as likely.

    Args:
        generator: Where the numbers come from.
        processes: How many there are.
    """
    place = generator.choice(PLACES)
    visits = {"on_train_epoch_end": 3, "on_validation_epoch_end": 3, "file": 6}
    visits |= {"on_save_checkpoint": 6, "on_validation_batch_start": 18}
    count = generator.randint(1, visits.get(place, visits.get(place.replace("end", "start"), 15)))
    kind = generator.choice([k for k in KINDS if processes > 1 or not k.endswith("all")])
    delay = 0.0 if kind == "error" else generator.choice([0.0, generator.uniform(0, 0.1)])
    # a checkpoint's file is written by process 0
    rank = 0 if place == "file" else generator.randrange(processes)
    return Fault(kind, place, count, rank, round(delay, 4))


class CausesFault(Callback):
    """Causes a `Fault`; its arguments are those."""

    def __init__(self, kind: str, place: str, count: int, rank: int, delay: float) -> None:
        self.fault = Fault(kind, place, count, rank, delay)
        self.visits = 0
        if place != "file":
            setattr(self, place, self._visit)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Tell the others this process's number; come between a file and its place."""
        (Path(PIDS) / str(trainer.global_rank)).write_text(str(os.getpid()))
        if self.fault.place == "file":
            fsync = os.fsync

            def visit(descriptor: int) -> None:
                fsync(descriptor)
                self._visit(trainer)

            os.fsync = visit

    def _visit(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.sanity_checking or trainer.global_rank != self.fault.rank:
            return
        self.visits += 1
        if self.visits == self.fault.count:
            if self.fault.kind == "error":
                (Path(PIDS) / "fault").touch()
                raise Failure("this error was caused on purpose")
            if self.fault.delay:
                threading.Timer(self.fault.delay, self._send).start()
            else:
                self._send()

    def _send(self) -> None:
        (Path(PIDS) / "fault").touch()
        name, _, to_all = self.fault.kind.partition(" ")
        own = str(self.fault.rank)
        for path in sorted(Path(PIDS).glob("[0-9]*")):
            if to_all or path.name == own:
                os.kill(int(path.read_text()), getattr(signal, name))
