"""The trained backbone as a file that timm loads, with a card that says what it is."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import timm
import torch
from metaug.lightning_modules.checkpoints.plain_data import plain_data
from pytorch_lightning.callbacks import Callback

from .artifacts.run_files import is_trial, run_directory
from .artifacts.timm_export import built_with, export_backbone, find_backbone, recognize
from .probing.probe import Probe


class Export(Callback):
    """Writes the trained backbone to `<run>/export` after a fit, with a model card.

    Args:
        backbone: Dotted path of the submodule; `encoder.backbone` or `backbone` if None.
        architecture: Timm's name of it; what the module says of itself if None; empty to write the
            weights alone, of a module of your own.
        architecture_args: What else `timm.create_model` needs for it, besides `in_chans`; the
            `backbone_args` of the encoder if None.

    Examples:
        >>> Export(backbone="encoder.backbone").written
        []
    """

    def __init__(
        self,
        backbone: str | None = None,
        architecture: str | None = None,
        architecture_args: dict[str, Any] | None = None,
    ) -> None:
        self.backbone = backbone
        self.architecture = architecture
        self.architecture_args = plain_data(architecture_args)
        self.written: list[Path] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out before training whether there is something to export, and how.

        Raises:
            ValueError: If there is no backbone, or it is not the timm model that it is said to be.
        """
        if stage == "fit":
            backbone = find_backbone(pl_module, self.backbone)
            recognize(backbone, self.architecture, self._arguments(pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on rank zero."""
        folder = run_directory(trainer) / "export"
        if not trainer.is_global_zero or is_trial(trainer):
            return
        scores = {
            f"{name} (epoch {callback.epoch})": f"{100 * value:.2f} %"
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(callback, Probe)
            for name, value in callback.scores.items()
        }
        datamodule: Any = getattr(trainer, "datamodule", None)
        training = {
            "module": type(pl_module).__name__,
            "data": type(datamodule).__name__ if datamodule is not None else "loaders",
            "training images": getattr(datamodule, "num_instances", "unknown"),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "torch": torch.__version__,
            "timm": timm.__version__,
        }
        path = export_backbone(
            find_backbone(pl_module, self.backbone),
            folder,
            architecture=self.architecture,
            architecture_args=self._arguments(pl_module),
            method=type(pl_module).__name__,
            scores=scores,
            training=training,
            preprocessing=preprocessing_of(datamodule),
        )
        self.written = [path]

    def _arguments(self, pl_module: pl.LightningModule) -> dict[str, Any]:
        given = self.architecture_args
        return built_with(pl_module) if given is None else given


def preprocessing_of(datamodule: Any) -> dict[str, Any]:
    """What a data module says of its images: `image_size`, `mean` and `std`, where it does."""
    views = getattr(datamodule, "views", None)
    return {
        "image_size": getattr(datamodule, "image_size", None),
        "mean": getattr(views, "mean", None),
        "std": getattr(views, "std", None),
    }
