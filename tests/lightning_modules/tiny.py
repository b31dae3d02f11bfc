"""Small models, fixed data and a quiet trainer for the tests of this room."""

import warnings

import pytorch_lightning as pl
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader

CONSTANT = OptimizerSettings(name="momentum", lr=0.05, schedule="constant")


def backbone(norm: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def tiny_encoder(norm: bool = False, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(backbone(norm), image_channels=1, projection_dim=8, projection_norm=norm)


def tiny_metaug(norm: bool = False, **settings) -> MetAug:
    """MetAug of a tiny encoder; ``settings`` replace arguments."""
    encoder = settings.pop("encoder", None) or tiny_encoder(norm)
    defaults = {
        "objective": MetAugObjective(margin=MarginRegularization()),
        "generator": AugmentationGenerator(8, 2, 16),
        "encoder_optimizer": CONSTANT,
        "generator_optimizer": CONSTANT,
    }
    return MetAug(encoder, **{**defaults, **settings})


def examples(count: int = 16, views: int = 2) -> list[tuple[Tensor, list[Tensor], int]]:
    """(index, views, target), as solo-learn has it."""
    generator = torch.Generator().manual_seed(7)
    shared = torch.randn(count, 1, 8, 8, generator=generator)
    noise = torch.randn(views, *shared.shape, generator=generator)
    return [
        (torch.tensor(i), [shared[i] + 0.5 * each[i] for each in noise], i % 3)
        for i in range(count)
    ]


def loader(count: int = 16, batch_size: int = 4, **settings) -> DataLoader:
    # a generator of its own, as in MetAug's data modules: an epoch's start draws a seed
    return DataLoader(examples(count, **settings), batch_size, generator=torch.Generator())


class Trace(pl.Callback):
    """What happened in each batch: learning rates and logged values."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []
        self.logged: list[dict[str, float]] = []

    def on_train_batch_start(self, trainer, *args):
        self.rates.append([each.param_groups[0]["lr"] for each in trainer.optimizers])

    def on_train_batch_end(self, trainer, *args):
        self.logged.append({name: float(v) for name, v in trainer.callback_metrics.items()})


def fit(module: pl.LightningModule, data=None, **settings) -> pl.Trainer:
    """Train on the CPU without files or bars; one epoch unless ``settings`` say more."""
    defaults = {
        "accelerator": "cpu",
        "max_epochs": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    checkpoint = settings.pop("ckpt_path", None)
    trainer = pl.Trainer(**{**defaults, **settings})
    with warnings.catch_warnings():
        # MetAug has a validation step for the sake of its probes; these tests have no such data
        warnings.filterwarnings("ignore", ".*have no `val_dataloader`")
        # weights after the step are what a checkpoint is for
        warnings.filterwarnings("ignore", "Using ModelCheckpoint with manual optimization")
        trainer.fit(module, loader() if data is None else data, ckpt_path=checkpoint)
    return trainer


def whole_and_resumed(make, path) -> tuple[pl.LightningModule, pl.LightningModule, pl.Trainer]:
    """A module after two epochs, one that went on from a checkpoint of the first, its trainer.

    Args:
        make: Makes equal modules.
        path: Of the checkpoint.
    """
    whole, first, second = make(), make(), make()
    torch.manual_seed(1)
    fit(whole, max_epochs=2)
    torch.manual_seed(1)
    fit(first, max_epochs=1).save_checkpoint(path)
    torch.manual_seed(2)
    return whole, second, fit(second, max_epochs=2, ckpt_path=path)
