"""Rows of the study: named settings, read from YAML and built into modules."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from metaug.lightning_modules import Encoder, MetAug, OptimizerSettings
from metaug.lightning_modules.networks.backbone import timm_backbone
from pytorch_lightning.cli import instantiate_module
from torch import nn

HERE = Path(__file__).parent
SMALL = {"layers": [1, 1, 1, 1], "channels": [32, 32, 64, 128], "zero_init_last": False}


def merge(below: Any, above: Any) -> Any:
    """`above` over `below`; mappings are merged key by key, null takes something away."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    if "class_path" in above and above["class_path"] != below.get("class_path"):
        return above
    return below | {key: merge(below.get(key), value) for key, value in above.items()}


class Rows:
    """The rows of a YAML file.

    Args:
        path: The file; see `rows.yaml` for its form.
    """

    def __init__(self, path: Path = HERE / "rows.yaml") -> None:
        content = yaml.safe_load(path.read_text())
        self.base: dict[str, Any] = content["base"]
        self.parts: dict[str, dict[str, Any]] = content.get("parts", {})
        self.rows: dict[str, dict[str, Any]] = content["rows"]
        self.groups: dict[str, list[str]] = content.get("groups", {})
        self.baseline: str = content.get("baseline", "oucl")
        self.compared: list[list[str]] = content.get("compare", [])
        self.equal_time: dict[str, Any] = content.get("equal_time", {"row": "", "epochs": {}})

    def names(self, wanted: list[str]) -> list[str]:
        """Names of rows, with the names of groups replaced by their rows.

        Raises:
            ValueError: If a name is neither a row's nor a group's.
        """
        found = [
            row
            for name in wanted
            for row in (self.names(self.groups[name]) if name in self.groups else [name])
        ]
        if unknown := [name for name in found if name not in self.rows]:
            raise ValueError(
                f"there is no row {unknown[0]!r}; rows: {', '.join(self.rows)}; groups: "
                f"{', '.join(self.groups)}"
            )
        return list(dict.fromkeys(found))

    def title(self, name: str) -> str:
        """How a row is called in tables."""
        return str(self.rows[name].get("title", name))

    def settings(self, name: str) -> dict[str, Any]:
        """Everything that a row is built from."""
        row = {key: value for key, value in self.rows[name].items() if key != "title"}
        settings = self.base
        for part in row.pop("use", []):
            settings = merge(settings, self.parts[part])
        return merge(settings, row)


def build_encoder(name: str) -> Encoder:
    """An encoder by name: `small` (ResNet of four blocks on 4-pixel patches) or a timm model."""
    if name != "small":
        return Encoder(name, small_images=True, projection_dim=128)
    backbone = timm_backbone("resnet18", small_images=True, **SMALL)
    backbone.conv1 = nn.Conv2d(3, 64, kernel_size=4, stride=4, bias=False)
    return Encoder(backbone, projection_dim=128)


def build(settings: dict[str, Any], encoder: str, seed: int) -> pl.LightningModule:
    """The module of a row; all rows start from the same backbone.

    Args:
        settings: What `Rows.settings` gives.
        encoder: Name of the encoder.
        seed: Seed of the initial parameters.
    """
    torch.manual_seed(seed)
    network = build_encoder(encoder).to(memory_format=torch.channels_last)
    if "lightly" in settings:
        return _lightly(network, settings)
    arguments = {"encoder": network, **settings}
    return instantiate_module(MetAug, arguments)


def _lightly(network: Encoder, settings: dict[str, Any]) -> pl.LightningModule:
    """Lightly's loss and projection head on the encoder's backbone, by the encoder's optimizer."""
    from benchmarks.lightly_simclr import LightlySimCLR

    encoder_optimizer = OptimizerSettings(**settings["encoder_optimizer"])

    def optimizers(module: pl.LightningModule) -> Any:
        optimizer = encoder_optimizer.build(module)
        total = float(module.trainer.estimated_stepping_batches)  # sets up the loader, so first
        schedule = encoder_optimizer.build_schedule(
            optimizer, module.trainer.num_training_batches, total
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    return LightlySimCLR(
        network.backbone,
        network.num_features,
        optimizers,
        feature_dim=network.feature_dim,
        **settings["lightly"],
    )
