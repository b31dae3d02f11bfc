"""Images that lie on the device: the workers' views, without a wait, and let go in the end."""

import gc
import weakref

import pytest
import pytorch_lightning as pl
import torch
from metaug.datamodules import (
    DigitsDataModule,
    IndexBatch,
    InMemorySource,
    MultiViewBatch,
    MultiViewDataModule,
    SimCLRViews,
    Splits,
    SubsetSource,
)
from metaug.datamodules.loading import held
from metaug.datamodules.loading.held import HeldImages, IndexDataset, hold, next_readable
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.launches import Launches
from tests.lightning_modules import tiny


@pytest.fixture
def room(monkeypatch):
    """A CPU that takes images as a GPU does."""
    monkeypatch.setattr(held, "free_memory", lambda device: 1 << 40)


@pytest.mark.parametrize("workers", [None, 2])
def test_the_views_of_the_workers(toy, room, workers):
    sent = toy(batch_size=8, num_workers=0).train_dataloader()
    data = toy(batch_size=8, augment_on="device", num_workers=workers)
    loader = data.train_dataloader()
    assert loader.num_workers == 0  # there is nothing to read
    for here, keys in zip(sent, loader, strict=True):
        assert isinstance(keys, IndexBatch)
        there = data.on_after_batch_transfer(keys, 0)
        assert isinstance(there, MultiViewBatch)
        assert torch.equal(there.index, here.index)
        assert torch.equal(there.target, here.target)
        assert all(torch.equal(a, b) for a, b in zip(there.views, here.views, strict=True))


def test_only_the_images_of_a_subset_are_held(room):
    data = DigitsDataModule(batch_size=64, augment_on="device", val_fraction=0.5)
    other = DigitsDataModule(batch_size=64, val_fraction=0.5)
    batch = next(iter(data.train_dataloader()))
    made = data.on_after_batch_transfer(batch, 0)
    expected = next(iter(other.train_dataloader()))
    assert len(data._on_device.held.images) == len(data.splits.train) < 1438
    assert torch.equal(made.views[1], expected.views[1])


def test_they_take_a_quarter_of_the_free_memory_at_most(monkeypatch):
    source = InMemorySource(torch.zeros(10, 3, 8, 8, dtype=torch.uint8))
    cpu = torch.device("cpu")
    assert hold(source, cpu) is None  # a CPU holds none
    for free, fits in ((4 * 1920, True), (4 * 1920 - 1, False)):
        monkeypatch.setattr(held, "free_memory", lambda device, free=free: free)
        assert (hold(source, cpu) is not None) == fits


def test_images_that_do_not_fit_are_sent(toy):
    data = toy(batch_size=8, augment_on="device")
    assert next(iter(data.train_dataloader())).image.shape == (8, 3, 12, 12)


def test_many_images_are_copied_in_order(room, monkeypatch):
    monkeypatch.setattr(held, "_BLOCK", 4)
    images = torch.arange(11, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    subset = SubsetSource(InMemorySource(images.contiguous()), [10, 3, 1, 2, 0, 9, 8, 7, 5])
    copy = hold(subset, torch.device("cpu"))
    assert copy.images[:, 0, 0, 0].tolist() == [10, 3, 1, 2, 0, 9, 8, 7, 5]


def test_the_next_image_stands_in_for_an_unreadable_one(room):
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    unreadable = torch.tensor([False, True, True, False, False, True])
    assert next_readable(unreadable).tolist() == [0, 3, 3, 3, 4, 0]

    class Holes(MultiViewDataModule):
        def load(self):
            return Splits(train=InMemorySource(images, unreadable=unreadable))

    sent = Holes(image_size=8, batch_size=6)
    data = Holes(image_size=8, batch_size=6, augment_on="device")
    (expected,), (keys,) = sent.train_dataloader(), data.train_dataloader()
    batch = data.on_after_batch_transfer(keys, 0)
    assert torch.equal(batch.index, expected.index)
    assert torch.equal(batch.views[0], expected.views[0])


def test_nothing_waits_for_the_device(toy):
    """From the batch of indices to the views; fake tensors, no GPU is needed."""
    data = toy(batch_size=8, views=SimCLRViews(blur=0.5), augment_on="device")
    source = data.splits.train
    keys = IndexDataset(source).__getitems__([(0, index) for index in range(8)])
    with FakeTensorMode(), torch.no_grad():
        images = torch.empty(len(source), 3, 12, 12, dtype=torch.uint8, device="cuda")
        data._on_device.held = HeldImages(source, images)
        batch = IndexBatch(*(torch.empty_like(row, device="cuda") for row in fake(keys)))
        data.on_after_batch_transfer(batch, 0)
        with Launches() as launches:
            views = data.on_after_batch_transfer(batch, 0).views
    assert not launches.waits
    assert {view.device.type for view in views} == {"cuda"}


def fake(batch):
    return (torch.empty(row.shape, dtype=row.dtype) for row in batch)


class Watch(pl.LightningModule):
    """Notes what it is given, and whether images are held meanwhile."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen, self.copy = [], None

    def training_step(self, batch, batch_idx):
        images = self.trainer.datamodule._on_device.held
        self.copy = images and weakref.ref(images.images)
        self.seen.append([batch.index.cpu(), *(view.cpu() for view in batch.views)])
        return self.weight.sum() * 0

    def validation_step(self, batch, batch_idx):
        self.seen.append([tensor.cpu() for tensor in batch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, accelerator="cpu"):
    module = Watch()
    tiny.fit(module, data, max_epochs=2, accelerator=accelerator, devices=1)
    gc.collect()
    return module


def test_a_run_holds_them_and_lets_them_go(toy, room):
    expected = fit(toy(batch_size=16)).seen
    data = toy(batch_size=16, augment_on="device")
    module = fit(data)
    assert module.copy is not None
    assert module.copy() is None
    for here, there in zip(expected, module.seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    stale = IndexBatch(torch.zeros(2).long(), torch.arange(2), torch.arange(2))
    with pytest.raises(RuntimeError, match="ask the data module for a new loader"):
        data.on_after_batch_transfer(stale, 0)
    assert len(fit(data).seen) == len(expected)  # and a second run holds them again


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(toy):
    expected = fit(toy(batch_size=16, augment_on="workers")).seen
    module = fit(toy(batch_size=16), accelerator="gpu")
    assert module.copy is not None
    assert module.copy() is None
    for here, there in zip(expected, module.seen, strict=True):
        for a, b in zip(here, there, strict=True):
            assert ((a - b).abs() < 0.02).float().mean() > 0.99
