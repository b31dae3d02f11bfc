"""A run of commit b7ebaea (version 0.1.0) goes on: its callbacks' state is read."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import (
    GeneratorMonitor,
    KNNProbe,
    LinearProbe,
    Summary,
    TrainingCurves,
)
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import MetAug

from .tiny import quiet_trainer

CHECKPOINT = Path(__file__).parents[1] / "fixtures" / "b7ebaea" / "metaug.ckpt"


class AtStart(pl.Callback):
    """Keeps what the other callbacks know when training starts."""

    def on_train_start(self, trainer, pl_module):
        self.head = trainer.callbacks[1].head.weight.clone()
        self.scores = [dict(probe.scores) for probe in trainer.callbacks[:2]]


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # of ModelCheckpoint
def test_probes_curves_and_baselines_go_on(tmp_path):
    curves, generator, summary, start = TrainingCurves(), GeneratorMonitor(), Summary(), AtStart()
    callbacks = [KNNProbe(k=5), LinearProbe(), curves, generator, summary, start]
    settings = {"max_epochs": 2, "limit_train_batches": 3, "log_every_n_steps": 1}
    trainer = quiet_trainer(tmp_path, callbacks=callbacks, **settings)
    data = DigitsDataModule(batch_size=128, labels_per_class=10)
    trainer.fit(MetAug.load_from_checkpoint(CHECKPOINT), datamodule=data, ckpt_path=CHECKPOINT)

    assert trainer.global_step == 2 * 3
    saved = torch.load(CHECKPOINT, weights_only=True)["callbacks"]
    state = {name.split("{")[0]: part for name, part in saved.items()}
    torch.testing.assert_close(start.head, state["LinearProbe"]["head"]["weight"])
    assert start.scores == [state["KNNProbe"]["scores"], state["LinearProbe"]["scores"]]
    assert summary.scores["raw pixels"] == state["Summary"]["scores"]["raw pixels"]
    steps = list(range(1, 7))
    assert curves.history.points("train/loss")[0] == steps
    assert curves.history.points("train/contrastive")[0] == steps
    earlier = state["TrainingCurves"]["history"]["train/oucl"]["value"]
    assert curves.history.points("train/contrastive")[1][:3] == earlier
    assert "train/oucl" not in curves.history.series
    assert generator.history.points("meta_gap")[0] == steps
