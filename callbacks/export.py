"""The trained backbone in the formats of others, with a card that says what it is."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from metaug.lightning_modules.checkpoints.plain_data import plain_data
from metaug.lightning_modules.networks.exported_backbone import WEIGHTS
from pytorch_lightning.callbacks import Callback

from .artifacts.exported_folder import export_backbone, image_shape, preprocessing_for
from .artifacts.preprocessing import preprocessing_of
from .artifacts.programs import ONNX, PROGRAM, Format, check_formats, for_inference, traced
from .artifacts.run_facts import command_line, curves_of, facts_of_data, scores_of, versions
from .artifacts.run_files import is_trial, run_directory
from .artifacts.timm_export import built_with, find_backbone, recognize


class Export(Callback):
    """Writes the trained backbone to `<run>/export` after a fit, with a model card.

    Args:
        backbone: Dotted path of the submodule; `encoder.backbone` or `backbone` if None.
        architecture: Timm's name of it; what the module says of itself if None; empty to write the
            weights alone, of a module of your own.
        architecture_args: What else `timm.create_model` needs for it, besides `in_chans`; the
            `backbone_args` of the encoder if None.
        formats: Some of `timm` (`model.safetensors`), `onnx` (`model.onnx`) and `torch_export`
            (`model.pt2`).
        license: Of the weights, as the Hub calls it, such as `mit`; the card says so.
        image_size: Edge of the images of `onnx` and `torch_export`, where the data module does not
            say it.

    Examples:
        >>> Export(backbone="encoder.backbone", formats=["timm", "torch_export"]).written
        []
    """

    def __init__(
        self,
        backbone: str | None = None,
        architecture: str | None = None,
        architecture_args: dict[str, Any] | None = None,
        formats: Sequence[Format] = ("timm",),
        license: str | None = None,
        image_size: int | None = None,
    ) -> None:
        check_formats(formats)
        self.backbone = backbone
        self.architecture = architecture
        self.architecture_args = plain_data(architecture_args)
        self.formats = list(formats)
        self.license = license
        self.image_size = image_size
        self.written: list[Path] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out before training whether there is something to export, and how.

        Raises:
            ValueError: If there is no backbone, it is not the timm model that it is said to be, or
                torch.export cannot trace it where a format needs that.
        """
        if stage != "fit":
            return
        backbone = find_backbone(pl_module, self.backbone)
        recognize(backbone, self.architecture, self._arguments(pl_module))
        if set(self.formats) - {"timm"}:
            prepared = preprocessing_for(backbone, self._preprocessing(trainer))
            traced(for_inference(backbone), image_shape(backbone, prepared), self.formats)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on rank zero; a format that fails now leaves a warning."""
        folder = run_directory(trainer)
        if not trainer.is_global_zero or is_trial(trainer):
            return
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        states = {callback.state_key: callback.state_dict() for callback in callbacks}
        config = folder / "config.yaml"
        training = {
            "module": type(pl_module).__name__,
            **({"part": self.backbone} if self.backbone else {}),
            **facts_of_data(getattr(trainer, "datamodule", None)),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "processes": trainer.num_devices * trainer.num_nodes,
            "command": f"`{command_line()}`",
            **versions(),
        }
        try:
            export_backbone(
                find_backbone(pl_module, self.backbone),
                folder / "export",
                formats=self.formats,
                architecture=self.architecture,
                architecture_args=self._arguments(pl_module),
                method=type(pl_module).__name__,
                scores=scores_of(states),
                training=training,
                preprocessing=self._preprocessing(trainer),
                license=self.license,
                config=config.read_text(encoding="utf-8") if config.is_file() else None,
                curves=curves_of(states),
            )
        except ValueError as error:
            if self.formats == ["timm"]:
                raise
            warnings.warn(f"the export lacks a format: {error}", stacklevel=2)
        files = [folder / "export" / name for name in (WEIGHTS, ONNX, PROGRAM)]
        self.written = [file for file in files if file.is_file()]

    def _arguments(self, pl_module: pl.LightningModule) -> dict[str, Any]:
        given = self.architecture_args
        return built_with(pl_module) if given is None else given

    def _preprocessing(self, trainer: pl.Trainer) -> dict[str, Any]:
        said = preprocessing_of(getattr(trainer, "datamodule", None))
        size = said.get("image_size") or self.image_size
        return said | {"image_size": size}
