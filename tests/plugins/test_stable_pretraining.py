"""stable-pretraining 0.1.8: the forms of its batches into MetAug, our callbacks on its module.

What it yields is written out here as its source has it (`MultiViewTransform`, `FromTorchDataset`,
`RepeatedRandomSampler`), so that nothing need be installed; the last test runs the real package
where it is.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import (
    CollapseMonitor,
    FeatureMap,
    KNNProbe,
    LinearProbe,
    Summary,
    WriteFeatures,
)
from metaug.lightning_modules import AugmentationGenerator, Encoder, MemoryBank, MetAug
from torch import nn
from torch.utils.data import DataLoader, Dataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "stable_pretraining_module.py"
IMAGES = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Samples(Dataset):
    """Mappings with image, label and sample_idx; of views a list, a mapping, or one at a time."""

    def __init__(self, form: str = "one") -> None:
        self.form = form

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> dict:
        first, second = ({**self.sample(index), "image": IMAGES[index] * a} for a in (1.0, 0.5))
        return {
            "one": self.sample(index),
            "list": {"views": [first, second]},
            "names": {"student": first, "teacher": second},
            "list of names": {"views": {"global_1": first, "local_1": second}},
        }[self.form]

    def sample(self, index: int) -> dict:
        return {"image": IMAGES[index], "label": index % 4, "sample_idx": 31 - index}


def loader(form: str = "one") -> DataLoader:
    if form == "repeated":  # as its RepeatedRandomSampler(n_views=2) draws
        order = torch.randperm(len(IMAGES)).repeat_interleave(2).tolist()
        return DataLoader(Samples(), batch_size=16, sampler=order)
    return DataLoader(Samples(form), batch_size=16)


def backbone() -> nn.Module:
    convolution = nn.Conv2d(1, 4, 3, stride=2, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def trainer(folder, callbacks) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder,
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        callbacks=callbacks,
    )


@pytest.mark.parametrize("form", ["list", "names", "list of names", "repeated"])
def test_its_batches_train_metaug(form, tmp_path):
    model = MetAug(
        Encoder(backbone(), image_channels=1, projection_dim=8),
        generator=AugmentationGenerator(8, 2, 16),
        memory_bank=MemoryBank(4, num_instances=len(IMAGES)),  # reads sample_idx
    )
    probe, monitor = KNNProbe(k=3, bank=loader()), CollapseMonitor(min_std=0.0, min_rank=0.0)
    fit = trainer(tmp_path, [probe, monitor])
    fit.fit(model, loader(form), loader())
    assert torch.isfinite(fit.callback_metrics["train/loss"])
    assert probe.query_size == 32
    assert 0 < monitor.latest["representation/alignment"] < 1 or form == "repeated"


class Module(pl.LightningModule):
    """Its module's contract: `forward(batch, stage)` gives a mapping with `embedding`."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student = nn.ModuleDict({"backbone": backbone()})
        self.projector = nn.Linear(16, 8)

    def forward(self, batch, stage):
        if "views" not in batch:
            return {"embedding": self.student["backbone"](batch["image"])}
        views = [self.student["backbone"](view["image"]) for view in batch["views"]]
        return {"embedding": views[0], "loss": self.projector(views[0] - views[1]).square().mean()}

    def training_step(self, batch, batch_idx):
        state = self(batch, stage="fit")
        self.manual_backward(state["loss"])
        self.optimizers().step()
        return state

    def validation_step(self, batch, batch_idx):
        return self(batch, stage="validate")

    def predict_step(self, batch, batch_idx):
        return self(batch, stage="predict")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def embedding(module, images):
    return module({"image": images}, stage="validate")["embedding"]


def test_callbacks_on_its_module(tmp_path, capsys):
    path = "student.backbone"
    callbacks = [
        KNNProbe(k=3, bank=loader(), representation=path),
        LinearProbe(bank=loader(), representation=embedding),
        LinearProbe(bank=loader(), representation=path, name="val/by_path_top1"),
        CollapseMonitor(representation=embedding),
        FeatureMap(every_n_epochs=1, representation=path),
        Summary(),
        WriteFeatures(representation=path),
    ]
    fit, module = trainer(tmp_path, callbacks), Module()
    fit.fit(module, loader("list"), loader())
    scores = fit.callback_metrics
    assert scores["val/linear_top1"] == scores["val/by_path_top1"]
    assert 0 < scores["representation/alignment"] < 1
    printed = capsys.readouterr().out
    assert "(student.backbone, k=3" in printed
    assert "(embedding, penalty=1" in printed
    assert set(callbacks[5].scores["untrained encoder"]) >= {"val/knn_top1", "val/linear_top1"}
    assert (tmp_path / "figures" / "feature_map.png").is_file()
    fit.predict(module, loader())
    written = np.load(tmp_path / "features.npz")
    with torch.no_grad():
        expected = module.student["backbone"](IMAGES.flip(0))  # in the order of sample_idx
    np.testing.assert_allclose(written["features"], expected, rtol=1e-5)
    assert written["index"].tolist() == list(range(32))
    assert written["target"].tolist() == [(31 - index) % 4 for index in range(32)]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (lambda: KNNProbe(bank=[]), r"forward takes \(batch, stage\), .* \(student, projector\)"),
        (lambda: FeatureMap(), "Set representation= to the dotted path"),
        (
            lambda: CollapseMonitor(representation="encoder"),
            "no part 'encoder'; it has student, proj",
        ),
    ],
)
def test_what_its_module_needs_is_said_before_training(callback, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        trainer(tmp_path, [callback()]).fit(Module(), loader("list"), loader())


@pytest.mark.skipif(
    find_spec("stable_pretraining") is None, reason="pip install stable-pretraining"
)
def test_the_real_package(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "val/linear_top1 0." in done.stdout
