"""SIGTERM, Ctrl-C and SLURM end training between two batches, on all processes together."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments import LightningEnvironment
from metaug.lightning_modules.distributed.agreement import tell_all
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from .requeue import requeue_job, requeue_signal


class StopRequests(Callback):
    """Lets training end after the batch in progress when a signal asks one process or all to stop.

    The handler only takes a note. Between two batches the processes tell each other whether one of
    them was asked, and Lightning then raises its `SIGTERMException` on all at the same place.
    Lightning's own handler speaks to the other processes wherever the signal finds this one, and
    waits for ever if they are elsewhere. Outside of training, where there is nothing to keep, and
    at a second Ctrl-C, a process ends at once.

    Exit codes are those of the shell: 143 after SIGTERM, 130 after Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = 0  # the signal that this process got
        self.agreed = 0  # the signal that all processes stop for
        self._training = False
        self._handler_before: Any = None

    @classmethod
    def ensure(cls, trainer: pl.Trainer) -> None:
        """Add one to a trainer that has none; called from another callback's `setup`."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if not any(isinstance(callback, cls) for callback in callbacks):
            callbacks.append(cls())  # its own setup follows

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the place of Lightning's handlers of SIGTERM and SIGUSR1, Python's of Ctrl-C."""
        self.asked = self.agreed = 0
        self._training = False
        handler = partial(self._ask, trainer)
        trainer._signal_connector._sigterm_notifier_fn = handler  # type: ignore[method-assign]
        trainer._signal_connector._slurm_sigusr_handler_fn = handler  # type: ignore[method-assign]
        if trainer.world_size > 1:  # called before each batch; Lightning asks process 0 alone
            epoch_loop = trainer.fit_loop.epoch_loop
            epoch_loop._broadcast_sigterm_tensor = partial(  # type: ignore[method-assign]
                self._stop_if_agreed, trainer
            )
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is signal.default_int_handler:
                self._handler_before = before
                signal.signal(signal.SIGINT, handler)

    def _ask(self, trainer: pl.Trainer, number: int, frame: FrameType | None) -> None:
        if not self._training or number == self.asked == signal.SIGINT:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(128 + number)
        self.asked = self.asked or number
        again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
        if trainer.is_global_zero:  # print may be what was interrupted
            os.write(2, f"\nmetaug: stopping after this step{again}\n".encode())
        if trainer.world_size == 1:
            self._agree(trainer)

    def _agree(self, trainer: pl.Trainer) -> None:
        self.agreed = max(row[0] for row in tell_all([self.asked]))
        trainer._signal_connector.received_sigterm = bool(self.agreed)

    def _stop_if_agreed(self, trainer: pl.Trainer) -> None:
        self._agree(trainer)
        if self.agreed:
            raise SIGTERMException

    @classmethod
    def requeue_if_asked(cls, trainer: pl.Trainer) -> None:
        """Let SLURM start the job again, if it was SLURM that ended it; called after saving."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        stopped_for = {each.agreed for each in callbacks if isinstance(each, cls)}
        if trainer.is_global_zero and requeue_signal(trainer) in stopped_for:
            requeue_job()

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """From here on there is something to keep."""
        self._training = True

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn how many batches every process has."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            limits: Any = trainer.num_val_batches
            batches = sum(limits) if isinstance(limits, list) else limits
            count = int(batches) if batches != float("inf") else 0
            self._batches_left = min(row[0] for row in tell_all([count]))

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Stop a validation as well, unless it is the last one of the last weights."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        self._batches_left -= 1
        if self._batches_left > 0:  # not at the last batch of any process
            self._agree(trainer)
        if trainer.should_stop:
            trainer._signal_connector.received_sigterm = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between two epochs."""
        self._agree(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Training is complete."""
        self._training = False

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Set the exit code of a stop that was asked for."""
        self._restore_handler(trainer)
        if isinstance(exception, SIGTERMException):
            # Lightning kills process 0 where one that it started ends with an error
            started = isinstance(
                getattr(trainer.strategy, "cluster_environment", None), LightningEnvironment
            )
            exception.code = 0 if started and trainer.local_rank else 128 + self.agreed
            if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
                # torchrun sends one to the others as soon as the first has ended
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                trainer._signal_connector._original_handlers.pop(signal.SIGTERM, None)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        self._restore_handler(trainer)

    def _restore_handler(self, trainer: pl.Trainer) -> None:
        before: Callable[..., Any] | None = self._handler_before
        if before is not None:
            self._handler_before = None
            signal.signal(signal.SIGINT, before)
            # Lightning will put back what it found
            trainer._signal_connector._original_handlers.pop(signal.SIGINT, None)
