"""Watches the augmentation generator: what it does to the similarities that the loss sees."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from metaug.lightning_modules.evaluation.features import evaluation
from metaug.lightning_modules.objectives.margin import MarginRegularization
from metaug.lightning_modules.objectives.pairs import form_pairs
from metaug.lightning_modules.training.batch_formats import read_training_batch
from metaug.lightning_modules.training.logged_steps import is_logged
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from ..artifacts.run_files import publish
from ..plotting.generator import draw_generator
from ..plotting.history import History
from ..probing.evaluation_callback import check_every_n_epochs, is_evaluation_epoch


class GeneratorMonitor(Callback):
    """Draws `figures/generator.png` for a MetAug module that has a generator.

    On the last batch of an epoch, in evaluation mode: distributions of positive and negative
    similarities between original features and with augmented ones, with the margins m+ and m-
    (median line, quartile band); the cosine of a feature and its augmentation, logged as
    `generator/cosine`; the meta gap over time. On many processes rank zero shows its own part of
    the batch.

    Args:
        max_images: Most instances of the batch that are measured.
        every_n_epochs: Epochs between drawings, a second or two each; the last epoch is always
            drawn.

    Examples:
        >>> monitor = GeneratorMonitor(max_images=256, every_n_epochs=10)
        >>> monitor.state_dict()
        {'history': {}}
    """

    def __init__(self, max_images: int = 512, every_n_epochs: int = 5) -> None:
        if max_images < 2:
            raise ValueError(f"max_images={max_images}, but it must be 2 or above")
        self.max_images = max_images
        self.every_n_epochs = check_every_n_epochs(every_n_epochs)
        self.history = History()
        self.written: list[Path] = []

    @staticmethod
    def has_generator(pl_module: Any) -> bool:
        """Whether the module has a generator to watch."""
        has_methods = hasattr(pl_module, "features") and hasattr(pl_module, "augment")
        return has_methods and getattr(pl_module, "generator", None) is not None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the meta gap; at the end of an epoch measure the generator."""
        if not self.has_generator(pl_module):
            return
        gap = trainer.callback_metrics.get("train/meta_gap")
        if gap is not None and is_logged(trainer):
            self.history.add("meta_gap", trainer.global_step, gap)
        if trainer.is_last_batch and is_evaluation_epoch(trainer, self.every_n_epochs):
            views = [view[: self.max_images] for view in read_training_batch(batch).views]
            self.measure_and_plot(trainer, pl_module, views)

    def measure_and_plot(self, trainer: pl.Trainer, pl_module: Any, views: list[Tensor]) -> None:
        """Measure, log and draw; every process must come here."""
        with evaluation(trainer, pl_module):
            features = pl_module.features(
                [trainer.precision_plugin.convert_input(v) for v in views]
            )
            augmented = pl_module.augment(features).float()
        features = features.float()
        cosine = (features * augmented).sum(-1)
        pl_module.log(
            "generator/cosine",
            cosine.mean(),
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=1,
        )
        self.history.add("cosine", trainer.global_step, cosine.mean())
        if len(features) < 2:
            return
        pairs = form_pairs(features, augmented)
        regularization = getattr(getattr(pl_module, "objective", None), "margin", None)
        kind: Any = getattr(regularization, "kind", "large")
        lines = MarginRegularization(kind).margins(pairs)
        title = f"epoch {trainer.current_epoch}"
        figure = draw_generator(pairs, lines, cosine, self.history, title)
        self.written = publish(trainer, figure, "generator")

    def state_dict(self) -> dict[str, Any]:
        """The record over time."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the record."""
        self.history.load_state_dict(state_dict["history"])
