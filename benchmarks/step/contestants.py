"""What is timed: MetAug with every engine, its ablations, and lightly's SimCLR; same encoder."""

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    InfoNCE,
    MarginRegularization,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from metaug.lightning_modules.backbone import timm_backbone
from torch import Tensor, nn


@dataclass(frozen=True)
class Setting:
    """An encoder and the images it gets.

    Attributes:
        backbone: Name of a timm model.
        size: Edge of the images in pixels.
        small_images: Whether the stem is that for small images.
    """

    backbone: str
    size: int
    small_images: bool


SETTINGS = {
    "resnet18-32": Setting("resnet18", 32, True),
    "resnet50-224": Setting("resnet50", 224, False),
    "vit_tiny-32": Setting("vit_tiny_patch16_224", 32, True),
}
SGD = OptimizerSettings(lr=0.06, schedule="constant")


class LightlySimCLR(pl.LightningModule):
    """SimCLR as lightly's own example builds it, on the same backbone."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection_head = SimCLRProjectionHead(width, width, 128)
        self.criterion = NTXentLoss(temperature=0.5)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch of two views."""
        first, second = batch[0]
        features = [self.projection_head(self.backbone(view)) for view in (first, second)]
        loss = self.criterion(*features)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD with momentum."""
        return torch.optim.SGD(
            self.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4, foreach=True
        )


def build(name: str, setting: Setting) -> pl.LightningModule:
    """A contestant by name.

    Args:
        name: ``lightly``, ``simclr``, ``oucl``, an engine, or ``ENGINE/K`` for a meta step every K
            batches.
        setting: The encoder.
    """
    torch.manual_seed(0)
    if name == "lightly":
        backbone = timm_backbone(setting.backbone, small_images=setting.small_images)
        return LightlySimCLR(backbone, backbone.num_features)
    encoder = Encoder(setting.backbone, small_images=setting.small_images, projection_dim=128)
    if name == "simclr":
        return MetAug(encoder, MetAugObjective(InfoNCE()), encoder_optimizer=SGD)
    if name == "oucl":
        return MetAug(encoder, encoder_optimizer=SGD)
    engine, _, every = name.partition("/")
    return MetAug(
        encoder,
        MetAugObjective(augmented_weight=0.1, margin=MarginRegularization()),
        AugmentationGenerator(),
        meta=MetaStep(engine=engine, every=int(every or 1)),  # type: ignore[arg-type]
        encoder_optimizer=SGD,
        generator_optimizer=OptimizerSettings("adamw", 1e-3, schedule="constant"),
    )
