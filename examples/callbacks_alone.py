"""MetAug's probes in a supervised pipeline, without the rest of MetAug.

They need a module whose `forward(image)` gives a representation [N, F], and two loaders.

python examples/callbacks_alone.py
"""

import pytorch_lightning as pl
import torch
from metaug.callbacks import KNNProbe, LinearProbe
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


class Supervised(pl.LightningModule):
    """An ordinary classifier; `forward` is its representation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        """The representation, `[N, 1, 8, 8] -> [N, 32]`."""
        return self.body(image)

    def training_step(self, batch, batch_idx):
        """Cross entropy."""
        image, target = batch
        return nn.functional.cross_entropy(self.head(self(image)), target)

    def configure_optimizers(self):
        """Adam."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def main() -> None:
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 16
    data = TensorDataset(images, torch.from_numpy(digits.target))
    train, held_out = Subset(data, range(1400)), Subset(data, range(1400, 1797))
    bank, queries = DataLoader(train, batch_size=256), DataLoader(held_out, batch_size=256)
    trainer = pl.Trainer(
        max_epochs=2,
        logger=False,
        callbacks=[
            KNNProbe(k=5, bank=bank, queries=queries),
            LinearProbe(bank=bank, queries=queries),
        ],
    )
    trainer.fit(Supervised(), DataLoader(train, batch_size=64, shuffle=True))
    for name in ("val/knn_top1", "val/linear_top1"):
        print(name, float(trainer.callback_metrics[name]))


if __name__ == "__main__":
    main()
