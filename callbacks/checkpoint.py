"""Checkpoints that a run goes on from as if it had never stopped."""

import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from metaug.lightning_modules.distributed.agreement import is_lost_connection
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from .checkpointing.atomic_io import AtomicCheckpointIO
from .checkpointing.loop_progress import at_batch_end, rewind, settle, validate_first
from .checkpointing.stop_requests import StopRequests


class Checkpoint(ModelCheckpoint):
    """`ModelCheckpoint` that loses no work when a run is stopped, fails or is killed.

    - A file is whole or not there, on any file system.
    - SIGTERM and Ctrl-C, at one process or at all, end the run after the batch in progress, with a
      checkpoint of that very batch; so does SLURM's SIGUSR1, which requeues the job as well.
    - After an error, one process keeps its last whole step. Of several none waits for the others:
      nothing is written, and the run goes on from the checkpoint before.

    Its arguments are those of `ModelCheckpoint`; `save_on_exception` is what the last two need.

    Examples:
        >>> callback = Checkpoint(save_last=True, save_on_exception=True)
        >>> trainer = pl.Trainer(callbacks=[callback], logger=False, accelerator="cpu")
        >>> trainer.checkpoint_callback is callback
        True
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: tuple[int, int] | None = None  # when there was nothing new to keep
        self._stopping = False
        self._states_before_validation: dict[str, Any] = {}

    @property
    def state_key(self) -> str:
        """That of a `ModelCheckpoint`, whose checkpoints are taken up too."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write whole files, and heed signals."""
        super().setup(trainer, pl_module, stage)
        self._kept, self._stopping = None, False
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        if stage == "fit":
            StopRequests.ensure(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember where the run starts: before its first step there is nothing to keep."""
        super().on_train_start(trainer, pl_module)
        self._kept = self._moment(trainer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save where it is due; Lightning leaves `train_time_interval` out for manual optimization.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            outputs: Of the training step.
            batch: What was trained on.
            batch_idx: Its number.
        """
        automatic: Any = SimpleNamespace(automatic_optimization=True)
        super().on_train_batch_end(trainer, automatic, outputs, batch, batch_idx)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the callbacks' states: a validation that fails is done again from here."""
        if trainer.state.fn == TrainerFn.FITTING and trainer.world_size == 1:
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            states = {callback.state_key: callback.state_dict() for callback in callbacks}
            self._states_before_validation = deepcopy(states)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the weights that training ends with, but not of a trial run."""
        if trainer.fast_dev_run or not self.save_last:  # type: ignore[attr-defined]
            return
        if self._kept != self._moment(trainer):
            candidates = self._monitor_candidates(trainer)
            if self.save_last == "link" and self.monitor is None:
                self._save_none_monitor_checkpoint(trainer, candidates)
            elif self.save_last == "link":
                self._save_checkpoint(trainer, self.format_checkpoint_name(candidates))
            self._save_last_checkpoint(trainer, candidates)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say where the run goes on."""
        loop = checkpoint["loops"]["fit_loop"]
        settle(loop)
        fit_loop = trainer.fit_loop
        if trainer.training and at_batch_end(loop) and fit_loop._data_fetcher is not None:
            if fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher):
                validate_first(loop)
            return
        if not self._stopping:
            return
        rewind(loop, validating=trainer.validating)
        if trainer.validating:
            own = checkpoint["callbacks"].get(self.state_key, {})
            before = self._states_before_validation
            checkpoint["callbacks"].update({key: s for key, s in before.items() if s})
            checkpoint["callbacks"][self.state_key] = own

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Keep what is whole; the exception that ends the run stays the one that is seen."""
        at_work = self._kept is not None and trainer.state.fn == TrainerFn.FITTING
        if not (self.save_on_exception and at_work) or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        together = trainer.world_size == 1 or isinstance(exception, SIGTERMException)
        saved = self._kept == self._moment(trainer)
        reason = ""
        if together and not saved:
            try:
                self._save_now(trainer)
            except Exception as error:  # the first cause is what the user needs
                reason = f"{error}; "
        elif not together:
            reason = "nothing is written, for the other processes are elsewhere; "
        if is_lost_connection(exception):
            return  # the process that ended has said more
        if trainer.is_global_zero or not together:
            path = self._newest(trainer)
            go_on = (
                f"--ckpt_path last goes on from {path}" if path else "no checkpoint is there yet"
            )
            print(f"metaug: {reason}{go_on}", file=sys.stderr, flush=True)
        if isinstance(exception, SIGTERMException) and not reason:
            StopRequests.requeue_if_asked(trainer)

    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        self._kept = self._moment(trainer)

    @staticmethod
    def _moment(trainer: pl.Trainer) -> tuple[int, int]:
        """Steps and batches that are done; with `accumulate` a step has several batches."""
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress.total
        return trainer.global_step, batches.processed

    def _save_now(self, trainer: pl.Trainer) -> None:
        self._stopping = True
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
        if trainer.training and batches.processed > batches.completed:
            # a callback failed after the step, which counts: its values would not be logged again
            trainer._logger_connector.update_train_step_metrics()
        candidates = self._monitor_candidates(trainer)
        if self.save_last is not True:
            self._save_checkpoint(trainer, self.format_checkpoint_name(candidates))
        self._save_last_checkpoint(trainer, candidates)

    def _newest(self, trainer: pl.Trainer) -> str | None:
        paths = (self.last_model_path, self._last_checkpoint_saved, trainer.ckpt_path)
        return next((str(path) for path in paths if path and Path(path).exists()), None)
