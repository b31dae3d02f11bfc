"""The callback that writes a run's `status.json`."""

import os
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

import metaug
from metaug.callbacks import run_directory
from metaug.callbacks.artifacts.run_facts import command_line
from metaug.callbacks.artifacts.run_files import is_trial
from metaug.runs.status import FILE, PULSE, Status, process_mark, this_machine, write_status


class StatusFile(Callback):
    """Writes `<run>/status.json` when training begins, after each epoch and at the end.

    `metaug runs` and `metaug compare` read it: how far a run came, in what time, by which command,
    and whether it is running, finished, stopped, failed or killed. `metaug fit` adds it by itself;
    a trainer of one's own may have it too. A run that ends before its first batch leaves none, and
    a file that cannot be written does not end a run.

    Examples:
        >>> StatusFile().status is None
        True
    """

    def __init__(self) -> None:
        self.status: Status | None = None
        self._folder = Path()
        self._begun = self._validation_began = time.monotonic()
        self._validation = 0.0
        self._ended = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        """Without what cannot be sent to a process that Lightning spawns."""
        return {key: value for key, value in vars(self).items() if key != "_ended"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _ended=threading.Event())

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write it for the first time, on the first process."""
        folder = run_directory(trainer)
        self.status = None
        if not trainer.loggers or not trainer.is_global_zero or is_trial(trainer):
            return
        self._folder, self._begun, self._validation = folder, time.monotonic(), 0.0
        self.status = Status(
            state="running",
            command=command_line(),
            version=metaug.__version__,
            started=round(time.time(), 3),
            epoch=trainer.current_epoch,
            step=trainer.global_step,
            machine=this_machine(),
            pid=os.getpid(),
            process=process_mark(os.getpid()),
            device=_device(trainer.strategy.root_device),
            processes=trainer.world_size,
            resumed_from=str(Path(trainer.ckpt_path).absolute()) if trainer.ckpt_path else None,
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._write()
        self._ended = threading.Event()
        pulse = threading.Thread(target=_pulse, args=(folder / FILE, self._ended), daemon=True)
        pulse.start()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation and its probes are no training time."""
        self._validation_began = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add up their time."""
        self._validation += time.monotonic() - self._validation_began

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write how far it came."""
        if self.status is None:
            return
        seconds = time.monotonic() - self._begun
        epoch, step = trainer.current_epoch + 1, trainer.global_step
        times = self.status.epochs
        times.epoch.append(epoch)
        times.step.append(step)
        times.seconds.append(round(seconds, 3))
        times.training_seconds.append(round(seconds - self._validation, 3))
        self._write(epoch=epoch, step=step)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Training came to its end: all epochs or steps, or a callback's wish."""
        self._end("finished")

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Training was stopped by a signal, or failed."""
        if isinstance(exception, KeyboardInterrupt | SystemExit):  # Lightning's of SIGTERM is one
            interrupted = isinstance(exception, KeyboardInterrupt) or exception.code == 130
            self._end("stopped", "by Ctrl-C" if interrupted else "by a signal to end")
        else:
            lines = str(exception).strip().splitlines() or [""]
            self._end("failed", f"{type(exception).__name__}: {lines[0]}")

    def _end(self, state: str, reason: str = "") -> None:
        self._ended.set()
        if self.status is not None:
            self._write(state=state, reason=reason)

    def _write(self, **changes: Any) -> None:
        assert self.status is not None
        seconds = round(time.monotonic() - self._begun, 3)
        self.status = replace(self.status, seconds=seconds, **changes)
        try:
            write_status(self._folder, self.status)
        except OSError as error:
            warnings.warn(f"{self._folder / FILE} cannot be written: {error}", stacklevel=2)


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _pulse(file: Path, ended: threading.Event) -> None:
    """Touch the file now and then, until the run or its process ends."""
    while not ended.wait(PULSE):
        try:
            os.utime(file)
        except OSError:  # the folder was moved or removed
            return
