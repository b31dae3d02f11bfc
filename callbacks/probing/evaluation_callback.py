"""When a callback evaluates the representation, and what it is given."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
from metaug.lightning_modules.evaluation.classifier import data_num_classes
from metaug.lightning_modules.evaluation.labeled import Features
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from .feature_store import FeatureStore, loop_has_batches
from .representation import Representation, Represented


def is_evaluation_epoch(trainer: pl.Trainer, every_n_epochs: int) -> bool:
    """Whether to evaluate now: every n epochs of a fit, after its last epoch, always outside a fit.

    Never in the sanity check.
    """
    if trainer.sanity_checking:
        return False
    if trainer.state.fn != TrainerFn.FITTING:
        return True
    done = trainer.current_epoch + 1
    reached = trainer.global_step == trainer.max_steps
    last = done == trainer.max_epochs or trainer.should_stop or reached
    return last or done % every_n_epochs == 0


def check_every_n_epochs(every_n_epochs: int) -> int:
    """The same number of epochs.

    Raises:
        ValueError: If it is below 1.
    """
    if every_n_epochs < 1:
        raise ValueError(f"every_n_epochs={every_n_epochs}, but it must be 1 or above")
    return every_n_epochs


class EvaluationCallback(Callback, ABC):
    """Evaluates the representation of the images of the validation loop, or of a loader of its own.

    Images are encoded in evaluation mode, once for all such callbacks of a trainer, with no side
    effects on training (modes, random state, gradients).

    Args:
        queries: Images to evaluate, a loader of `(image, target)` or `(image, target, index)`; the
            validation loop's if None. With a loader no validation loop is needed.
        every_n_epochs: Epochs between evaluations; the last epoch is always evaluated.
        representation: What is evaluated of the module; null for its `forward`, which then maps
            images `[N, C, H, W]` to `[N, F]`. Of another module the dotted path of the part that
            does, such as `backbone`, a function `(module, images) -> [N, F]`, or a
            `Representation`.
    """

    def __init__(
        self,
        *,
        queries: Iterable[Any] | None = None,
        every_n_epochs: int = 1,
        representation: Represented = None,
    ) -> None:
        self.queries = queries
        self.representation = Representation.read(representation)
        self.every_n_epochs = check_every_n_epochs(every_n_epochs)
        self._warned: set[str] = set()
        self._validation_interval: int | None = None

    @abstractmethod
    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate the representation; every process comes here."""

    @property
    def title(self) -> str:
        """What warnings call this callback."""
        return type(self).__name__

    def store(self, trainer: pl.Trainer) -> FeatureStore:
        """The features that are shared with the other callbacks of a trainer."""
        return FeatureStore.of(trainer, self.representation)

    def query_features(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Features:
        """This process's share of the images to evaluate."""
        store = self.store(trainer)
        if self.queries is None:
            return store.collected(trainer)
        return store.extracted(trainer, pl_module, self.queries)

    def warn_once(self, message: str) -> None:
        """One warning of a kind, however many epochs follow."""
        if message not in self._warned:
            self._warned.add(message)
            rank_zero_warn(message)

    def should_evaluate(self, trainer: pl.Trainer) -> bool:
        """Whether to evaluate in the present loop."""
        return is_evaluation_epoch(trainer, self.every_n_epochs)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say at once what could never run."""
        self.representation.of(pl_module)
        if stage == "fit" and self.queries is None and not trainer.enable_validation:
            self.warn_once(
                f"{self.title} never runs: there is no validation loop. Give the module a "
                "validation_step and a validation loader, or pass queries=."
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say so if the validation loop turns out to have no images; one warning for all."""
        concerned = [
            callback
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(callback, EvaluationCallback) and callback.queries is None
        ]
        if not trainer.enable_validation or concerned[:1] != [self] or loop_has_batches(trainer):
            return
        names = ", ".join(callback.title for callback in concerned)
        unlabeled = data_num_classes(trainer) == 0
        no_labels = " (and no labels, which probes need)" if unlabeled else ""
        self.warn_once(
            f"{names} will not run: the data has no validation images{no_labels}. Give it a "
            "validation split, or pass queries=."
        )

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with no features."""
        self.store(trainer).clear()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Encode the batch, if no other callback did; only the first loader counts."""
        if self.queries is None and dataloader_idx == 0 and self.should_evaluate(trainer):
            self.store(trainer).collect(trainer, pl_module, batch, batch_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate the images of the loop."""
        if self.should_evaluate(trainer):
            self.evaluate(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Free the features."""
        self.store(trainer).clear()

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end
    on_test_end = on_validation_end

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Let Lightning validate the last weights too, whatever epoch or batch they come in."""
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True
        ends = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        every = trainer.check_val_every_n_epoch or 1
        if trainer.is_last_batch and ends and every > 1:
            self._validation_interval, trainer.check_val_every_n_epoch = every, 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the trainer as it was."""
        if self._validation_interval is not None:
            trainer.check_val_every_n_epoch = self._validation_interval
            self._validation_interval = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Free the features: the encoder is about to change."""
        self.store(trainer).clear()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where no validation loop runs, evaluate the queries of a loader."""
        in_loop = self.queries is None or (trainer.enable_validation and loop_has_batches(trainer))
        if not in_loop and self.should_evaluate(trainer):
            self.evaluate(trainer, pl_module)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let go of loaders and features."""
        FeatureStore.drop(trainer)
