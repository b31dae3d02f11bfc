"""A training step asks a device for few operations, and never waits for it between logged steps."""

import pytest
import torch
from metaug.callbacks import GeneratorMonitor, ProgressLine, TrainingCurves
from metaug.callbacks.checkpointing.stop_requests import StopRequests
from metaug.lightning_modules import MetAug

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
