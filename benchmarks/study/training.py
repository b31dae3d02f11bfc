"""One run of the study: train, then score the last epoch."""

import logging
import tempfile
import time
import warnings
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.callbacks import (
    AttractionMonitor,
    CollapseMonitor,
    KNNProbe,
    LinearProbe,
    RepresentationInfoNCE,
)

from .data import StudyData
from .rows import build

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Budget:
    """What is the same for every row.

    Attributes:
        images_per_class: Training images of every class; 0 for all.
        epochs: Epochs of every run.
        encoder: Name of the encoder.
        batch_size: Training images per batch.
        image_size: Edge of the images in pixels.
        precision: Lightning's name of it.
        device: `cpu` or `cuda`.
    """

    images_per_class: int = 500
    epochs: int = 20
    encoder: str = "small"
    batch_size: int = 128
    image_size: int = 32
    precision: str = "32-true"
    device: str = "cpu"


def run(settings: dict[str, Any], budget: Budget, data: str, seed: int) -> dict[str, float]:
    """Train a row with a seed and score the representation of the last epoch.

    Args:
        settings: The row's settings.
        budget: What is the same for every row.
        data: Folder of images.
        seed: Seed of initial parameters, order and views.

    Returns:
        `knn` and `linear` top-1 in %, `rank` (RankMe), `infonce` of the representation of 2,000
        test images, which needs no labels, `attraction_ratio` of the attraction and repulsion that
        reach the encoder in the last batch (NaN for lightly's module), `meta_gap`, `loss`, and the
        CPU and wall time of training in seconds.
    """
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    images = StudyData(data, budget.images_per_class, budget.image_size, budget.batch_size, seed)
    module = build(settings, budget.encoder, seed)
    clock = Clock()
    queries = images.test_dataloader()
    last: dict[str, Any] = {"queries": queries, "every_n_epochs": budget.epochs}
    probes = [KNNProbe(k=200, temperature=0.1, **last), LinearProbe(**last)]
    monitor = CollapseMonitor(max_images=2048, **last)
    unlabeled = RepresentationInfoNCE(every_n_epochs=budget.epochs)
    attraction = AttractionMonitor(every_n_epochs=budget.epochs)
    folder = tempfile.TemporaryDirectory()  # of the monitor's figure
    trainer = pl.Trainer(
        default_root_dir=folder.name,
        accelerator="gpu" if budget.device == "cuda" else "cpu",
        devices=1,
        precision=budget.precision,  # type: ignore[arg-type]
        max_epochs=budget.epochs,
        callbacks=[clock, *probes, monitor, unlabeled, attraction],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    pl.seed_everything(seed, verbose=False)
    with folder:
        trainer.fit(module, datamodule=images)
    logged = trainer.callback_metrics
    return {
        "knn": 100 * probes[0].scores["val/knn_top1"],
        "linear": 100 * probes[1].scores["val/linear_top1"],
        "rank": monitor.latest["representation/rank"],
        "infonce": float(logged["val/representation_infonce"]),
        "attraction_ratio": attraction.latest.get("objective/attraction_ratio", float("nan")),
        "loss": float(logged["train/loss"]),
        "meta_gap": float(logged.get("train/meta_gap", float("nan"))),
        "cpu_seconds": clock.cpu,
        "wall_seconds": clock.wall,
    }


class Clock(pl.Callback):
    """CPU and wall time of training, without the probes."""

    def on_train_start(self, *_: Any) -> None:
        """Start."""
        self.start = time.process_time(), time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop after the last batch."""
        if trainer.is_last_batch:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.cpu = time.process_time() - self.start[0]
            self.wall = time.perf_counter() - self.start[1]
