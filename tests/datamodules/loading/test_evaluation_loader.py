"""Evaluation images travel as 8-bit values where they can, and come out the same."""

import pytest
import pytorch_lightning as pl
import torch
from metaug.datamodules import LabelledBatch, SimCLRViews, TransformViews
from metaug.datamodules.loading import device
from metaug.datamodules.loading.device import evaluates_on_device
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.launches import Launches


class Trainer:
    class strategy:
        root_device = torch.device("cuda")


@pytest.fixture
def as_if_on_a_device(monkeypatch):
    """Loaders take the CPU for an accelerator."""
    monkeypatch.setattr(device, "device_of", lambda trainer: torch.device("meta"))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_images_as_8_bit_values(toy, as_if_on_a_device, workers):
    floats = toy(eval_batch_size=24, augment_on="workers", num_workers=workers)
    bytes_ = toy(eval_batch_size=24, num_workers=workers)
    for name in ("val", "test", "predict", "bank"):
        here, there = (getattr(data, f"{name}_dataloader")() for data in (floats, bytes_))
        assert not here.dataset.raw
        assert there.dataset.raw
        assert there.dataset.__getitems__([0, 1]).image.dtype == torch.uint8
        for a, b in zip(here, there, strict=True):
            assert isinstance(b, LabelledBatch)
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_which_images_do(toy):
    data = toy()
    source, views = data.splits.val, data.views
    assert evaluates_on_device("auto", source, views, 12, Trainer())
    assert evaluates_on_device("device", source, views, 12, Trainer())
    assert not evaluates_on_device("workers", source, views, 12, Trainer())
    assert not evaluates_on_device("auto", source, views, 12, None)
    assert not evaluates_on_device("auto", source, views, 10, Trainer())  # resized by the workers
    foreign = TransformViews(lambda image: image)
    assert not evaluates_on_device("auto", source, foreign, 12, Trainer())


class Keep(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.seen = []

    def validation_step(self, batch, batch_idx):
        self.seen.append(batch)

    def predict_step(self, batch, batch_idx):
        self.seen.append(batch)
        return batch.index

    test_step = validation_step


@pytest.mark.parametrize("loop", ["validate", "test", "predict"])
def test_lightning_may_make_the_loader_anew(toy, as_if_on_a_device, loop):
    module, data = Keep(), toy(eval_batch_size=24)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    getattr(trainer, loop)(module, datamodule=data)
    expected = list(toy(eval_batch_size=24, augment_on="workers").val_dataloader())
    for a, b in zip(expected, module.seen, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_transform_does_not_wait_for_the_device():
    views = SimCLRViews().bind(size=32, mean=(0.5,) * 3, std=(0.2,) * 3)
    with FakeTensorMode():
        images = torch.empty(8, 3, 32, 32, dtype=torch.uint8, device="cuda")
        views.evaluate(images, 32)
        with Launches() as launches:
            views.evaluate(images, 32)
    assert not launches.waits
    assert launches.total == 4  # to floats, to [0, 1], less the mean, over the deviation


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_images_of_the_cpu(toy):
    trainer = pl.Trainer(accelerator="gpu", devices=1, logger=False, enable_checkpointing=False)
    data = toy(eval_batch_size=24)
    data.trainer = trainer
    (expected, *_), (batch, *_) = toy(eval_batch_size=24).val_dataloader(), data.val_dataloader()
    assert batch.image.is_cuda
    assert torch.equal(batch.image.cpu(), expected.image)
