"""Watches for collapse: std, rank, alignment and uniformity of the representation."""

from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.distributed.collectives import gather_rows
from metaug.lightning_modules.evaluation.features import (
    encode_batch,
    evaluation,
    evenly_spaced_sample,
)
from metaug.lightning_modules.training.batch_formats import read_training_batch
from torch import Tensor

from ..probing.evaluation_callback import EvaluationCallback, is_evaluation_epoch
from ..probing.representation_metrics import alignment, effective_rank, feature_std, uniformity


class CollapseMonitor(EvaluationCallback):
    """Logs how the representation fills its space, and warns when it collapses.

    Of the images of the validation loop: `representation/std` (1 for features in all directions
    evenly, 0 collapsed), `representation/rank` (RankMe, at most the number of features) and
    `representation/uniformity`. Of the last training batch, whose first two views are a pair:
    `representation/alignment`.

    Args:
        min_std: Below it the representation is said to collapse to a point.
        min_rank: Below it the representation is said to collapse to a line.
        max_images: Most images measured, evenly spaced over the data set.
        kwargs: `queries`, `every_n_epochs` and `representation` of every callback that evaluates.

    Examples:
        >>> CollapseMonitor(min_rank=4.0, every_n_epochs=5).latest
        {}
    """

    def __init__(
        self,
        min_std: float = 0.05,
        min_rank: float = 2.0,
        max_images: int = 2048,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_images < 2:
            raise ValueError(f"max_images={max_images}, but it must be 2 or above")
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
        super().on_train_batch_end(trainer)
        if not trainer.is_last_batch or not is_evaluation_epoch(trainer, self.every_n_epochs):
            return
        try:
            first, second, *_ = read_training_batch(batch).views
        except (TypeError, ValueError) as error:
            self.warn_once(f"Alignment is not measured: {error}.")
            return
        with evaluation(trainer, pl_module):
            encode = self.representation.of(pl_module)
            one, other = (encode_batch(trainer, encode, view).value for view in (first, second))
        value = float(alignment(gather_rows(one), gather_rows(other)))
        self._log(pl_module, {"representation/alignment": value})

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and warn."""
        features = self.query_features(trainer, pl_module)
        value = evenly_spaced_sample(features, self.max_images).value
        if len(value) < 2 or not bool(value.isfinite().all()):
            self.warn_once(f"CollapseMonitor is skipped: {len(value)} images, or not finite.")
            return
        measured = {
            "representation/std": float(feature_std(value)),
            "representation/rank": float(effective_rank(value)),
            "representation/uniformity": float(uniformity(value)),
        }
        self._log(pl_module, measured)
        self._warn_of_collapse(trainer, measured, value)

    def _log(self, pl_module: pl.LightningModule, measured: dict[str, float]) -> None:
        self.latest |= measured
        for name, value in measured.items():
            pl_module.log(name, value, on_epoch=True, on_step=False, sync_dist=True, batch_size=1)

    def _warn_of_collapse(
        self, trainer: pl.Trainer, measured: dict[str, float], value: Tensor
    ) -> None:
        std, rank = measured["representation/std"], measured["representation/rank"]
        if std >= self.min_std and rank >= self.min_rank:
            return
        kind = "to a point" if std < self.min_std else "to a line"
        if kind not in self._warned:
            self._warned.add(kind)
            unit = torch.nn.functional.normalize(value, dim=1)
            cosine = float(unit.mean(0).square().sum())
            self.warn_once(
                f"The representation collapses {kind} (epoch {trainer.current_epoch}): std "
                f"{std:.3g} of 1, effective rank {rank:.2f} of {min(value.shape)}, mean cosine "
                f"{cosine:.3f} over {len(value)} images. Lower the learning rate, or change "
                "the objective or the generator's weight."
            )
