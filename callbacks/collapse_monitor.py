"""Watches for collapse: spread, rank, alignment and uniformity of the representation."""

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.distributed.collectives import gather_rows
from metaug.lightning_modules.evaluation.features import evaluation
from metaug.lightning_modules.evaluation.spread import spread_sample
from metaug.lightning_modules.training.batch_formats import read_batch
from torch import Tensor

from .probing.evaluation_callback import EvaluationCallback, due
from .probing.representation_metrics import alignment, effective_rank, feature_std, uniformity


class CollapseMonitor(EvaluationCallback):
    """Logs how the representation fills its space, and warns when it collapses.

    Of the images of the validation loop: `representation/std` (1 spread evenly, 0 collapsed),
    `representation/rank` (RankMe, at most the number of features) and `representation/uniformity`.
    Of the last training batch, whose first two views are a pair: `representation/alignment`.

    Args:
        min_std: below it the representation is said to collapse to a point.
        min_rank: below it the representation is said to collapse to a line.
        max_images: most images looked at, spread evenly over the data set.
        queries: images to look at, a loader of `(image, target)` or `(image, target, index)`; the
            validation loop's if None. With a loader no validation loop is needed.
        every_n_epochs: epochs between evaluations; the last epoch is always evaluated.
    """

    def __init__(
        self,
        min_std: float = 0.05,
        min_rank: float = 2.0,
        max_images: int = 2048,
        queries: Iterable[Any] | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(queries=queries, every_n_epochs=every_n_epochs)
        if max_images < 2:
            raise ValueError(f"max_images={max_images} must be 2 or above.")
        self.min_std = min_std
        self.min_rank = min_rank
        self.max_images = max_images
        self.latest: dict[str, float] = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Measure alignment on the last batch of the epoch."""
        if not trainer.is_last_batch or not due(trainer, self.every_n_epochs):
            return
        try:
            first, second, *_ = read_batch(batch).views
        except (TypeError, ValueError) as error:
            self.warn_once(f"Alignment is not measured: {error}.")
            return
        with evaluation(trainer, pl_module):
            one, other = (self._encode(trainer, pl_module, view) for view in (first, second))
        value = float(alignment(gather_rows(one), gather_rows(other)))
        self._log(pl_module, {"representation/alignment": value})

    @staticmethod
    def _encode(trainer: pl.Trainer, pl_module: pl.LightningModule, view: Tensor) -> Tensor:
        return pl_module(trainer.precision_plugin.convert_input(view)).float().flatten(1)

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and warn."""
        features = self.query_features(trainer, pl_module)
        value = spread_sample(features, self.max_images).value
        if len(value) < 2 or not bool(value.isfinite().all()):
            self.warn_once(f"CollapseMonitor is skipped: {len(value)} images, or not finite.")
            return
        found = {
            "representation/std": float(feature_std(value)),
            "representation/rank": float(effective_rank(value)),
            "representation/uniformity": float(uniformity(value)),
        }
        self._log(pl_module, found)
        self._warn_of_collapse(trainer, found, value)

    def _log(self, pl_module: pl.LightningModule, found: dict[str, float]) -> None:
        self.latest |= found
        for name, value in found.items():
            pl_module.log(name, value, on_epoch=True, on_step=False, sync_dist=True, batch_size=1)

    def _warn_of_collapse(
        self, trainer: pl.Trainer, found: dict[str, float], value: Tensor
    ) -> None:
        std, rank = found["representation/std"], found["representation/rank"]
        if std >= self.min_std and rank >= self.min_rank:
            return
        kind = "to a point" if std < self.min_std else "to a line"
        if kind not in self._warned:
            self._warned.add(kind)
            unit = torch.nn.functional.normalize(value, dim=1)
            cosine = float(unit.mean(0).square().sum())
            self.warn_once(
                f"The representation collapses {kind} (epoch {trainer.current_epoch}): spread "
                f"{std:.3g} of 1, effective rank {rank:.2f} of {min(value.shape)}, mean cosine "
                f"{cosine:.3f} over {len(value)} images. Lower the learning rate, or change "
                "the objective or the generator's weight."
            )
