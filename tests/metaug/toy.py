"""A model and data as small as the command line needs: one linear layer on random vectors."""

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

MODEL = "tests.metaug.toy.ToyModel"
DATA = "tests.metaug.toy.ToyData"


@dataclass
class Rate:
    """Settings.

    Args:
        lr: Learning rate.
    """

    lr: float = 0.1


class Part(nn.Module):
    """A component.

    Args:
        size: Its size.
        inner: A component in it, or null.
    """

    def __init__(self, size: int = 2, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(3, size)
        self.inner = inner


class Broken(Part):
    """A component with a bug of its own."""

    def __init__(self, size: int = 2) -> None:
        super().__init__(size)
        self.layer.no_such_attribute  # noqa: B018


class ToyModel(pl.LightningModule):
    """A linear layer.

    Args:
        part: Its component.
        rate: Its settings.
        fail_at: The step at which it fails on purpose, or null.
    """

    def __init__(self, part: nn.Module, rate: Rate | None = None, fail_at: int | None = None):
        super().__init__()
        self.save_hyperparameters(ignore=["part"])
        self.part, self.rate, self.fail_at = part, rate or Rate(), fail_at

    def training_step(self, batch, batch_idx):
        if batch_idx == self.fail_at:
            {}["a bug"]
        loss = self.part.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate.lr)


class ToyData(pl.LightningDataModule):
    """Eight vectors."""

    def train_dataloader(self):
        return DataLoader(torch.ones(8, 3), batch_size=4)


class Refuses(pl.Callback):
    """Raises an error that is the user's."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        raise ValueError(f"the toy refuses batch {batch_idx}")
