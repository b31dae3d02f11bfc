"""What is timed: MetAug with every engine, its ablations, and lightly's SimCLR; same encoder."""

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from metaug.lightning_modules import (
    AlexNetSplit,
    AugmentationGenerator,
    Encoder,
    InfoNCE,
    MarginRegularization,
    MemoryBank,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from metaug.lightning_modules.networks.backbone import timm_backbone
from torch import Tensor, nn

ENGINES = ("first_order", "lookahead", "lookahead/4", "exact", "exact/4", "higher")
FAST = ("oucl-cl", "lookahead-cl", "exact-cl", "exact/4-cl")


@dataclass(frozen=True)
class Setting:
    """An encoder and the batches it gets.

    Attributes:
        backbone: Name of a timm model, or ``alexnet`` for the paper's three towers.
        size: Edge of the images in pixels.
        small_images: Whether the stem is that for small images.
        batch: Instances of a batch, unless the command says otherwise.
        channels: Channels of each view.
        contestants: Who takes part; the first is what the others are compared with.
    """

    backbone: str
    size: int
    small_images: bool = False
    batch: int = 128
    channels: tuple[int, ...] = (3, 3)
    contestants: tuple[str, ...] = ("lightly", "lightly-cl", "simclr", "oucl", *ENGINES, *FAST)


SETTINGS = {
    "resnet18-32": Setting("resnet18", 32, True),
    "resnet50-224": Setting("resnet50", 224),
    "vit_tiny-32": Setting("vit_tiny_patch16_224", 32, True),
    "alexnet-lab-224": Setting(
        "alexnet", 224, batch=64, channels=(1, 2, 3), contestants=("oucl", *ENGINES)
    ),
}
NUM_INSTANCES = 50_000
SGD = OptimizerSettings("momentum", 0.06, schedule="constant")


class LightlySimCLR(pl.LightningModule):
    """SimCLR as lightly's own example builds it, on the same backbone.

    Args:
        backbone: ``[N, C, H, W] -> [N, width]``.
        width: F.
        channels_last: Whether images and weights are in channels-last memory format.
    """

    def __init__(self, backbone: nn.Module, width: int, *, channels_last: bool = False) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone = backbone.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.projection_head = SimCLRProjectionHead(width, width, 128)
        self.criterion = NTXentLoss(temperature=0.5)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch of two views."""
        first, second = (view.contiguous(memory_format=self.memory_format) for view in batch[0])
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
            batches; each with ``-cl`` behind it for channels-last memory format.
        setting: The encoder.
    """
    torch.manual_seed(0)
    channels_last = name.endswith("-cl")
    name = name.removesuffix("-cl")
    if name == "lightly":
        backbone = timm_backbone(setting.backbone, small_images=setting.small_images)
        width: Any = backbone.num_features
        return LightlySimCLR(backbone, width, channels_last=channels_last)
    if setting.backbone == "alexnet":
        return _papers_own(name)
    encoder = Encoder(
        setting.backbone,
        small_images=setting.small_images,
        projection_dim=128,
        channels_last=channels_last,
    )
    if name == "simclr":
        return MetAug(encoder, MetAugObjective(InfoNCE()), encoder_optimizer=SGD)
    if name == "oucl":
        return MetAug(encoder, encoder_optimizer=SGD)
    return MetAug(
        encoder,
        MetAugObjective(augmented_weight=0.1, margin=MarginRegularization()),
        AugmentationGenerator(),
        meta=meta_step(name),
        encoder_optimizer=SGD,
        generator_optimizer=OptimizerSettings("adamw", 1e-3, schedule="constant"),
    )


def _papers_own(name: str) -> MetAug:
    """The paper's setting: towers for L, ab and Lab, K = 1024 negatives from a memory bank."""
    encoder = AlexNetSplit()
    optimizer = OptimizerSettings("momentum", 0.03, weight_decay=1e-4, schedule="constant")
    bank = MemoryBank(num_negatives=1024, num_instances=NUM_INSTANCES)
    if name == "oucl":
        return MetAug(encoder, encoder_optimizer=optimizer, memory_bank=bank)
    margin = MarginRegularization(weight=1e-11)
    return MetAug(
        encoder,
        MetAugObjective(composition="substituted", augmented_weight=1e-5, margin=margin),
        AugmentationGenerator(num_views=3),
        meta=meta_step(name, inner_lr=1e-3),
        encoder_optimizer=optimizer,
        generator_optimizer=optimizer,
        memory_bank=bank,
    )


def meta_step(name: str, inner_lr: float = 0.05) -> MetaStep:
    """``ENGINE`` or ``ENGINE/K``."""
    engine, _, every = name.partition("/")
    return MetaStep(engine=engine, every=int(every or 1), inner_lr=inner_lr)  # type: ignore[arg-type]
