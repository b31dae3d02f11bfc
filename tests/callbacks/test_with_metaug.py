"""All callbacks together on MetAug and its data, without arguments."""

import matplotlib.image
import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import FeatureMap, KNNProbe, LinearProbe, Summary, TrainingCurves, ViewsGrid
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    Encoder,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from .tiny import quiet_trainer


class Backbone(nn.Sequential):
    num_features = 32

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 32),
        )


class NoisyBackbone(Backbone):
    """The same with what training changes: statistics of batches and the random state."""

    def __init__(self) -> None:
        super().__init__()
        self.insert(1, nn.BatchNorm2d(16))
        self.insert(3, nn.Dropout(0.2))


def small_metaug(objective: nn.Module | None = None, backbone: type[Backbone] = Backbone) -> MetAug:
    torch.manual_seed(0)
    return MetAug(
        Encoder(backbone(), image_channels=1, projection_dim=16),
        objective or MetAugObjective(OUCL()),
        AugmentationGenerator(feature_dim=16, num_views=2, hidden_dim=16),
        meta=MetaStep(),
        encoder_optimizer=OptimizerSettings(name="sgd", lr=0.05),
        generator_optimizer=OptimizerSettings(name="adamw", lr=1e-3),
    )


def fit(folder, callbacks, epochs=2, objective=None, backbone=Backbone, **options):
    data = DigitsDataModule(batch_size=256, labels_per_class=10, num_workers=0)
    trainer = quiet_trainer(
        folder,
        callbacks=callbacks,
        max_epochs=epochs,
        logger=CSVLogger(folder),
        log_every_n_steps=1,
        **options,
    )
    module = small_metaug(objective, backbone)
    trainer.fit(module, datamodule=data)
    return trainer, module


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    callbacks = [KNNProbe(k=20), LinearProbe(), TrainingCurves(), ViewsGrid(), FeatureMap()]
    return *fit(folder, [*callbacks, Summary()]), folder


def test_probes_score_and_the_summary_compares(done):
    trainer, _, _ = done
    summary = next(c for c in trainer.callbacks if isinstance(c, Summary))
    assert set(summary.scores) == {"raw pixels", "untrained encoder", "trained encoder"}
    for row in summary.scores.values():
        assert set(row) >= {"val/knn_top1", "val/linear_top1"}
    trained = summary.scores["trained encoder"]
    assert trained["val/knn_top1"] == pytest.approx(trainer.callback_metrics["val/knn_top1"].item())
    assert summary.scores["raw pixels"]["val/linear_top1"] > 0.7


def test_figures_are_written_and_not_blank(done):
    folder = done[2]
    figures = sorted((folder / "lightning_logs" / "version_0" / "figures").glob("*.png"))
    names = [path.stem for path in figures]
    assert names == ["feature_map", "training_curves", "views_grid"]
    for path in figures:
        assert matplotlib.image.imread(path)[..., :3].std() > 0.05, path


def test_training_is_bit_identical_without_any_callback(done, tmp_path):
    _, watched, _ = done
    _, bare = fit(tmp_path, [])
    for (name, expected), found in zip(
        bare.state_dict().items(), watched.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, found), name


def two_views(images):
    return {"views": [torch.stack(images)] * 2}


def test_unlabeled_data_is_watched_without_probes(tmp_path):
    class Unlabeled(pl.LightningDataModule):
        num_classes = 0

        def __init__(self):
            super().__init__()
            self.images = torch.rand(64, 1, 8, 8)

        def train_dataloader(self):
            views = torch.utils.data.TensorDataset(self.images)
            return torch.utils.data.DataLoader(
                views,
                32,
                collate_fn=lambda rows: {"views": [torch.stack([r[0] for r in rows])] * 2},
            )

        def val_dataloader(self):
            return torch.utils.data.DataLoader(self.images, 32)

    callbacks = [KNNProbe(), LinearProbe(), ViewsGrid(), FeatureMap(), TrainingCurves(), Summary()]
    trainer = quiet_trainer(tmp_path, callbacks=callbacks)
    with pytest.warns(UserWarning, match="no labels") as caught:
        trainer.fit(small_metaug(), datamodule=Unlabeled())
    assert len([w for w in caught if "no labels" in str(w.message)]) == 2
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == {
        "feature_map",
        "training_curves",
        "views_grid",
    }
