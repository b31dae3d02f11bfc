"""Figure: what training logged, over its steps."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from metaug.lightning_modules.training.logged_steps import is_logged
from pytorch_lightning.callbacks import Callback

from .artifacts.run_files import publish
from .plotting.curves import draw_curves
from .plotting.history import History
from .probing.evaluation_callback import check_every_n_epochs

_RENAMED = {"train/oucl": "train/contrastive"}  # one loss that has two names in logs


class TrainingCurves(Callback):
    """Draws `figures/training_curves.png`: losses, margin, meta gap and probe scores over steps.

    It keeps a record of its own, which is in the checkpoint, so the curves of a resumed run are
    complete, whatever the logger.

    Args:
        every_n_epochs: Epochs between drawings, besides the one at the end; never more than one a
            minute.

    Examples:
        >>> curves = TrainingCurves(every_n_epochs=10)
        >>> curves.history.add("train/loss", 1, 2.5)
        >>> curves.state_dict()["history"]["train/loss"]["value"]
        [2.5]
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = check_every_n_epochs(every_n_epochs)
        self.history = History()
        self.written: list[Path] = []
        self._drawn_at = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first drawing comes after a minute."""
        self._drawn_at = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record what loggers get, and the last step of an epoch: reading waits for a GPU."""
        if not is_logged(trainer):
            return
        values = {
            _RENAMED.get(name.removesuffix("_step"), name.removesuffix("_step")): value
            for name, value in trainer.callback_metrics.items()
            if name.startswith("train/") and not name.endswith("_epoch")
        }
        for name, value in values.items():
            self.history.add(name, trainer.global_step, value)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the scores of the validation loop."""
        self._record_scores(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record scores that came without a validation loop; draw now and then."""
        self._record_scores(trainer)
        is_turn = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        is_turn = is_turn and time.monotonic() - self._drawn_at > 60
        if trainer.strategy.broadcast(is_turn):
            self.draw(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw everything."""
        self._record_scores(trainer)
        self.draw(trainer)

    def _record_scores(self, trainer: pl.Trainer) -> None:
        if trainer.sanity_checking or not trainer.global_step:
            return
        for name, value in trainer.callback_metrics.items():
            if not name.startswith(("val/", "representation/")):
                continue
            if trainer.global_step not in self.history.points(name)[0][-1:]:
                self.history.add(name, trainer.global_step, value)

    def draw(self, trainer: pl.Trainer) -> None:
        """Draw and publish; every process must come here."""
        self._drawn_at = time.monotonic()
        figure = draw_curves(self.history)
        if figure is not None:
            self.written = publish(trainer, figure, "training_curves")

    def state_dict(self) -> dict[str, Any]:
        """The record."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the record, also from one that has earlier names."""
        series = state_dict["history"].items()
        self.history.load_state_dict({_RENAMED.get(name, name): part for name, part in series})
