"""A training step asks a device for few operations, and never waits for it between logged steps."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import GeneratorMonitor, ProgressLine, TrainingCurves
from metaug.callbacks.checkpointing.stop_requests import StopRequests
from metaug.lightning_modules import MetAug
from torch.utils.data import DataLoader

from benchmarks.gpu.problems import RandomBatches
from benchmarks.step.launches import build, count

MOST = {"simclr": 280, "oucl": 245, "lookahead": 699, "exact": 1299, "first_order": 600}


@pytest.mark.parametrize("kind", MOST)
def test_a_step_is_of_few_operations_and_waits_for_nothing(kind):
    launches = count(build(kind))
    assert launches.waits == {}
    assert 100 < launches.total <= MOST[kind]


def test_callbacks_wait_for_nothing():
    callbacks = [TrainingCurves(), GeneratorMonitor(), ProgressLine(), StopRequests()]
    assert count(build("lookahead"), *callbacks).waits == {}


def test_a_logged_step_waits_twice():
    assert count(build("lookahead"), logged=True).waits.total() == 2


class Reads(MetAug):
    """Waits for the device in each step."""

    how = "log"

    def training_step(self, batch, batch_idx):
        output = super().training_step(batch, batch_idx)
        if self.how == "item":
            output["loss"].item()
        elif self.how == "log":  # Lightning reads what is in the bar
            self.log("train/other", output["loss"], prog_bar=True)
        elif self.how == "copy":
            output["loss"].to("cpu")
        elif self.how == "index":
            batch[0][0][torch.tensor([0, 2])]
        return output


@pytest.mark.parametrize("how", ["item", "log", "copy", "index"])
def test_waits_would_be_seen(how):
    module = build("oucl")
    reads = Reads(module.encoder)
    reads.how = how
    assert len(count(reads).waits) == 1


class RefusesWaits(pl.Callback):
    """Any wait for the GPU is an error in steps after the recording that are not logged."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.cuda.set_sync_debug_mode("error" if 5 < batch_idx < 9 else "default")

    def on_train_epoch_end(self, trainer, pl_module):
        torch.cuda.set_sync_debug_mode("default")

    on_exception = on_train_epoch_end


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", MOST)
def test_a_gpu_is_waited_for_nowhere(kind, compiled):
    module = build(kind)
    if compiled:
        module = MetAug(
            module.encoder, module.objective, module.generator, module.meta, compile=True
        )
    trainer = pl.Trainer(
        accelerator="gpu",
        devices=1,
        max_epochs=1,
        log_every_n_steps=50,
        precision="bf16-mixed",
        callbacks=[RefusesWaits(), TrainingCurves(), GeneratorMonitor(every_n_epochs=9)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = RandomBatches(10, 16, 32, torch.float32, torch.device("cuda"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, DataLoader(batches, batch_size=None))
    assert trainer.global_step == 10
