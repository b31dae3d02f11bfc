"""What is timed: MetAug with every engine, its ablations, and lightly's SimCLR; same encoder."""

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
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
from torch import nn

from benchmarks.lightly_simclr import LightlySimCLR

ENGINES = ("first_order", "lookahead", "lookahead/4", "exact", "exact/4", "higher")
FAST = ("oucl-cl", "lookahead-cl", "exact-cl", "exact/4-cl")


@dataclass(frozen=True)
class Setting:
    """An encoder and the batches it gets.

    Attributes:
        backbone: Name of a timm model, or `alexnet` for the paper's three towers.
        size: Edge of the images in pixels.
        small_images: Whether the stem is that for small images.
        batch: Instances of a batch, unless the command says otherwise.
        channels: Channels of each view.
        variants: Who takes part; the first is what the others are compared with.
    """

    backbone: str
    size: int
    small_images: bool = False
    batch: int = 128
    channels: tuple[int, ...] = (3, 3)
    variants: tuple[str, ...] = ("lightly", "lightly-cl", "simclr", "oucl", *ENGINES, *FAST)


SETTINGS = {
    "resnet18-32": Setting("resnet18", 32, True),
    "resnet50-224": Setting("resnet50", 224),
    "vit_tiny-32": Setting("vit_tiny_patch16_224", 32, True),
    "alexnet-lab-224": Setting(
        "alexnet", 224, batch=64, channels=(1, 2, 3), variants=("oucl", *ENGINES)
    ),
}
NUM_INSTANCES = 50_000
SGD = OptimizerSettings("momentum", 0.06, schedule="constant")


def plain_sgd(module: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum, as in lightly's example."""
    return torch.optim.SGD(
        module.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4, foreach=True
    )


def build(name: str, setting: Setting) -> pl.LightningModule:
    """A variant by name.

    Args:
        name: `lightly`, `simclr`, `oucl`, an engine, or `ENGINE/K` for a meta step every K
            batches; each with `-cl` behind it for channels-last memory format.
        setting: The encoder.
    """
    torch.manual_seed(0)
    channels_last = name.endswith("-cl")
    name = name.removesuffix("-cl")
    if name == "lightly":
        backbone: Any = timm_backbone(setting.backbone, small_images=setting.small_images)
        memory_format = torch.channels_last if channels_last else torch.preserve_format
        return LightlySimCLR(
            backbone.to(memory_format=memory_format),
            backbone.num_features,
            plain_sgd,
            memory_format=memory_format,
        )
    if setting.backbone == "alexnet":
        return _paper_setting(name)
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


def _paper_setting(name: str) -> MetAug:
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
    """`ENGINE` or `ENGINE/K`."""
    engine, _, every = name.partition("/")
    return MetaStep(engine=engine, every=int(every or 1), inner_lr=inner_lr)  # type: ignore[arg-type]
