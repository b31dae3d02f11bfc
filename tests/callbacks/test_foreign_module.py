"""The callbacks on lightly's SimCLR example, written as lightly's users write it."""

import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import (
    CollapseMonitor,
    Export,
    FeatureMap,
    GeneratorMonitor,
    KNNProbe,
    LinearProbe,
    Report,
    Summary,
    TrainingCurves,
    ViewsGrid,
)

from .tiny import digits, loader, quiet_trainer

pytest.importorskip("lightly")
TRAIN, VALIDATION = digits(0, 256), digits(300, 420)


class SimCLR(pl.LightningModule):
    def __init__(self):
        super().__init__()
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead

        convolution = torch.nn.Conv2d(1, 8, 3, padding=1)
        norm, pool = torch.nn.BatchNorm2d(8), torch.nn.AdaptiveAvgPool2d(4)
        self.backbone = torch.nn.Sequential(
            convolution, norm, torch.nn.ReLU(), pool, torch.nn.Flatten()
        )
        self.projection_head = SimCLRProjectionHead(128, 32, 16)
        self.criterion = NTXentLoss()

    def forward(self, image):
        return self.backbone(image).flatten(start_dim=1)

    def training_step(self, batch, batch_idx):
        z0, z1 = (self.projection_head(self(view)) for view in batch[0])
        loss = self.criterion(z0, z1)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.06)


def two_noisy_views(rows):
    image = torch.stack([image for image, _ in rows])
    views = [image + 0.1 * torch.randn_like(image) for _ in range(2)]
    return views, torch.stack([target for _, target in rows]), ["name.png"] * len(rows)


def fit(folder, callbacks):
    torch.manual_seed(3)
    module = SimCLR()
    trainer = quiet_trainer(folder, callbacks=callbacks)
    data = torch.utils.data.DataLoader(
        TRAIN, 64, shuffle=True, collate_fn=two_noisy_views, drop_last=True
    )
    trainer.fit(module, data)
    return trainer, module


def test_every_callback_works_and_training_is_bit_identical(tmp_path):
    bank, queries = loader(TRAIN), loader(VALIDATION)
    callbacks = [
        KNNProbe(k=20, bank=bank, queries=queries),
        LinearProbe(bank=bank, queries=queries),
        CollapseMonitor(queries=queries),
        FeatureMap(queries=queries),
        GeneratorMonitor(),
        TrainingCurves(),
        ViewsGrid(),
        Export(),
        Report(),
        Summary(),
    ]
    trainer, watched = fit(tmp_path / "watched", callbacks)
    state = torch.get_rng_state()
    _, bare = fit(tmp_path / "bare", [])
    assert torch.equal(state, torch.get_rng_state())
    for name, value in bare.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert trainer.callback_metrics.keys() >= {
        "val/knn_top1",
        "val/linear_top1",
        "representation/std",
        "representation/rank",
        "representation/alignment",
        "representation/uniformity",
    }
    assert trainer.callback_metrics["val/linear_top1"] > 0.8
    assert {path.name for path in (tmp_path / "watched").rglob("*") if path.is_file()} == {
        "README.md",
        "config.json",
        "feature_map.png",
        "model.safetensors",
        "report.html",
        "training_curves.png",
        "views_grid.png",
    }
