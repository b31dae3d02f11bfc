"""A foreign LightningModule and its data: nothing here knows MetAug."""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class TinyModule(pl.LightningModule):
    """Classifies images; its forward gives the representation."""

    def __init__(self, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.LazyLinear(width),
        )
        self.head = nn.Linear(width, 10)
        self.encoded = 0

    def forward(self, image):
        self.encoded += len(image)
        return self.backbone(image)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.head(self.backbone(batch[0])), batch[1] % 10)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


class ValidatedModule(TinyModule):
    """The same with a validation loop of its own."""

    def validation_step(self, batch, batch_idx):
        return None


def tiny_module(kind: type[TinyModule] = ValidatedModule, seed: int = 0) -> TinyModule:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = kind()
        module.backbone(torch.zeros(2, 1, 8, 8))
    return module


def digits(start: int = 0, stop: int | None = None) -> TensorDataset:
    data = load_digits()
    image = torch.tensor(data.images[start:stop], dtype=torch.float32).unsqueeze(1) / 16
    return TensorDataset(image, torch.tensor(data.target[start:stop]))


def loader(dataset, batch_size: int = 64, shuffle: bool = False) -> DataLoader:
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle)


def quiet_trainer(root, **options) -> pl.Trainer:
    settings = {
        "default_root_dir": root,
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(**(settings | options))
