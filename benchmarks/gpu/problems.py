"""Small problems for comparisons, batches that are ready, and a trainer that is quiet."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.datamodules import MultiViewBatch
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    InfoNCE,
    MarginRegularization,
    MetaGradient,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from metaug.lightning_modules.meta_gradient import encoder_gradient, meta_gradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from metaug.lightning_modules.objectives.row_blocks import BatchObjective
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .context import Context

ENGINES = ("exact", "higher", "lookahead", "first_order")
RESNET = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "zero_init_last": False}
VIT = {"img_size": 16, "depth": 2, "embed_dim": 32, "num_heads": 2}
DROPOUT = {
    "vit": {},
    "vit_dropout": {"proj_drop_rate": 0.2, "drop_path_rate": 0.2},
    "vit_attention_dropout": {"attn_drop_rate": 0.2},
}
CONSTANT = OptimizerSettings("momentum", 0.05, schedule="constant")


def small_encoder(name: str) -> Encoder:
    """A small encoder, always the same: `resnet` or a key of `DROPOUT`."""
    torch.manual_seed(1)
    if name == "resnet":
        return Encoder("resnet18", True, projection_dim=16, backbone_args=RESNET)
    return Encoder(
        "vit_tiny_patch16_224",
        True,
        projection_dim=16,
        projection_norm=False,
        backbone_args=VIT | DROPOUT[name],
    )


def random_views(count: int, size: int = 16, seed: int = 2) -> list[Tensor]:
    """Two views that share an image, `2 x [count, 3, size, size]` in float64."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(count, 3, size, size, dtype=torch.float64, generator=generator)
    noise = torch.randn(2, *shared.shape, dtype=torch.float64, generator=generator)
    return [shared + 0.5 * each for each in noise]


def step_gradients(
    encoder: nn.Module,
    generator: nn.Module,
    objective: MetAugObjective,
    views: list[Tensor],
    engine: str,
    inner_lr: float,
) -> MetaGradient:
    """The gradients of one training step, as `MetAug` computes them.

    Args:
        encoder: theta.
        generator: omega.
        objective: L.
        views: `V x [N, C, H, W]`.
        engine: An engine, or `none` for a plain step.
        inner_lr: alpha.
    """
    params = dict(encoder.named_parameters())
    encode = FunctionalEncoder(encoder, list(params), views)
    batch = BatchObjective(objective, generator, len(views[0]), len(views))
    if engine == "none":
        return encoder_gradient(encode, list(params.values()), batch.inner)
    return meta_gradient(
        encode,
        list(params.values()),
        batch.inner,
        list(generator.parameters()),
        inner_lr,
        engine,  # type: ignore[arg-type]
        outer_objective=batch.outer,
    )


@dataclass
class Problem:
    """An encoder, a generator, an objective and a batch."""

    encoder: Encoder
    generator: AugmentationGenerator
    objective: MetAugObjective
    views: list[Tensor]

    def solve(self, engine: str, inner_lr: float = 0.05) -> MetaGradient:
        """The gradients by an engine."""
        parts = (self.encoder, self.generator, self.objective)
        return step_gradients(*parts, self.views, engine, inner_lr)

    def hold_start(self) -> Callable[[], None]:
        """A function that puts buffers and random state back to what they are now."""
        buffers = copy.deepcopy(dict(self.encoder.named_buffers()))

        def restore() -> None:
            self.encoder.load_state_dict(buffers, strict=False)
            torch.manual_seed(5)

        restore()
        return restore


def small_problem(
    name: str,
    device: torch.device,
    dtype: torch.dtype = torch.float64,
    count: int = 12,
    **settings: bool,
) -> Problem:
    """The same problem on any device.

    Args:
        name: Name of a small encoder.
        device: Where it is.
        dtype: Of parameters and views.
        count: Instances.
        settings: Further arguments of `MetAugObjective`.
    """
    encoder = small_encoder(name).to(device, dtype)
    torch.manual_seed(3)
    generator = AugmentationGenerator(16, 2, 8).to(device, dtype)
    margin = MarginRegularization(weight=2.0)
    objective = MetAugObjective(augmented_weight=0.7, margin=margin, **settings)
    views = [view.to(device, dtype) for view in random_views(count)]
    return Problem(encoder, generator, objective, views)


def small_metaug(kind: str, **settings: Any) -> MetAug:
    """A small module for whole steps.

    Args:
        kind: An engine's name, `oucl` or `simclr`.
        settings: Further arguments of `MetAug`.
    """
    settings["encoder_optimizer"] = CONSTANT
    encoder = small_encoder("resnet")
    torch.manual_seed(3)
    if kind == "simclr":
        return MetAug(encoder, MetAugObjective(InfoNCE()), **settings)
    if kind == "oucl":
        return MetAug(encoder, **settings)
    return MetAug(
        encoder,
        MetAugObjective(augmented_weight=0.7, margin=MarginRegularization()),
        AugmentationGenerator(16, 2, 8),
        meta=MetaStep(engine=kind),  # type: ignore[arg-type]
        generator_optimizer=CONSTANT,
        **settings,
    )


class RandomBatches(Dataset):
    """Batches of random views, each another, that lie on a device.

    Args:
        steps: Number of batches.
        count: Instances of each.
        size: Edge of the images in pixels.
        dtype: Of the views.
        device: Where they are.
    """

    def __init__(
        self, steps: int, count: int, size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        target = torch.zeros(count, dtype=torch.int64, device=device)
        index = torch.arange(count, device=device)
        self.batches = [
            MultiViewBatch(
                [view.to(device, dtype) for view in random_views(count, size, seed)], target, index
            )
            for seed in range(steps)
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> MultiViewBatch:
        return self.batches[index]


def fit(context: Context, module: pl.LightningModule, data: Dataset, **settings: Any) -> pl.Trainer:
    """Train an epoch on batches that are ready.

    Args:
        context: Where it runs.
        module: What is trained.
        data: Its batches.
        settings: Of `quiet_trainer`.
    """
    trainer = quiet_trainer(context, **settings)
    trainer.fit(module, DataLoader(data, batch_size=None))
    return trainer


def quiet_trainer(context: Context, **settings: Any) -> pl.Trainer:
    """A trainer of one epoch on one device that writes and shows nothing.

    Args:
        context: Where it runs.
        settings: Of `pl.Trainer`, over these.
    """
    quiet: dict[str, Any] = {
        "accelerator": context.accelerator,
        "devices": 1,
        "max_epochs": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**quiet | settings)
