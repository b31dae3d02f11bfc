"""Folders whose JPEGs are decoded on the device: the views and errors of the workers."""

import pytest
import pytorch_lightning as pl
import torch
from metaug.datamodules import (
    EncodedBatch,
    Framing,
    ImageFolderDataModule,
    MultiViewBatch,
    RandomCrop,
    SimCLRChanges,
    SimCLRViews,
    SmallMotion,
    UnreadableImageError,
)
from metaug.datamodules.transforms import geometry
from metaug.datamodules.transforms.seeding import sample_seeds
from metaug.datamodules.views.base import Recipe, RecipeViews
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.launches import Launches
from tests.lightning_modules import tiny

from ..sources.test_jpeg import ODD, PLAIN, corrupt, picture, saved

ODD_BUT_READABLE = ("gray", "CMYK", "stored as RGB", "turned", "several images")


@pytest.fixture
def folder(tmp_path):
    """Images of several sizes and kinds, in two classes."""
    kinds = [*PLAIN.values(), *(ODD[name] for name in ODD_BUT_READABLE)]
    for number, make in enumerate(kinds):
        put(tmp_path, f"{number % 2}/{number:02d}.jpg", make())
    for number in range(6):
        put(tmp_path, f"a/{number}.jpg", saved(picture(seed=number).resize((40 + number, 50))))
    put(tmp_path, "a/x.png", saved(picture(), "PNG"))
    return tmp_path


def put(root, name, data):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(data)


def module(root, augment_on, **arguments):
    defaults = {"image_size": 32, "batch_size": 5, "num_workers": 0, "val_fraction": 0.0}
    arguments = {**defaults, "in_memory": False, **arguments}
    return ImageFolderDataModule(str(root), augment_on=augment_on, **arguments)


def assert_alike(here, there):
    assert isinstance(there, MultiViewBatch)
    assert torch.equal(here.index, there.index)
    assert torch.equal(here.target, there.target)
    for a, b in zip(here.views, there.views, strict=True):
        assert ((a - b).abs() < 0.06).float().mean() > 0.99


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("arguments", [{}, {"image_channels": 1}, {"val_fraction": 0.4}])
def test_the_views_of_the_workers(folder, workers, arguments):
    by_workers = module(folder, "workers", **arguments)
    on_device = module(folder, "device", num_workers=workers, **arguments)
    loaders = by_workers.train_dataloader(), on_device.train_dataloader()
    for here, raw in zip(*loaders, strict=True):
        assert isinstance(raw, EncodedBatch)
        assert {len(shape) for shape in raw.shapes} <= {1, 3}
        assert_alike(here, on_device.on_after_batch_transfer(raw, 0))


def test_jpegs_travel_as_their_bytes(folder):
    data = module(folder, "device", batch_size=16)
    (batch,) = data.train_dataloader()
    files = data.splits.train.paths
    for image, index in zip(batch.images(), batch.index.tolist(), strict=True):
        with open(files[index], "rb") as file:
            content = file.read()
        assert (image.ndim == 1) == (bytes(image.flatten().numpy()) == content)
    assert sum(len(shape) == 1 for shape in batch.shapes) == 6 + len(PLAIN)


@pytest.fixture
def broken(folder):
    """With one file that no header shows to be corrupt, one cut off, one that is none."""
    put(folder, "a/3.jpg", corrupt())
    put(folder, "a/4.jpg", ODD["truncated"]())
    put(folder, "a/5.jpg", b"no image")
    return folder


def test_corrupt_files_stop_the_run_by_name(broken):
    (broken / "a/4.jpg").unlink()
    (broken / "a/5.jpg").unlink()
    data = module(broken, "device", batch_size=14)
    (batch,) = data.train_dataloader()
    with pytest.raises(UnreadableImageError, match=r"Cannot read the image .*a/3.jpg"):
        data.on_after_batch_transfer(batch, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_corrupt_files_are_skipped_as_by_workers(broken, workers):
    by_workers = module(broken, "workers", batch_size=7, on_error="skip")
    on_device = module(broken, "device", batch_size=7, on_error="skip", num_workers=workers)
    for _ in range(2):  # found, then known
        loaders = by_workers.train_dataloader(), on_device.train_dataloader()
        for here, raw in zip(*loaders, strict=True):
            assert_alike(here, on_device.on_after_batch_transfer(raw, 0))
        assert on_device.skipped_images == by_workers.skipped_images != []


class Watch(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch, batch_idx):
        views = [view.cpu() for view in batch.views]
        self.seen.append(MultiViewBatch(views, batch.target.cpu(), batch.index.cpu()))
        return self.weight.sum() * 0

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, accelerator="cpu"):
    watch = Watch()
    tiny.fit(watch, data, max_epochs=2, accelerator=accelerator, devices=1)
    return watch.seen


def test_a_run(folder):
    runs = (fit(module(folder, where)) for where in ("workers", "device"))
    for here, there in zip(*runs, strict=True):
        assert_alike(here, there)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_run_on_a_gpu(folder):
    here, there = fit(module(folder, "workers")), fit(module(folder, "device"), "gpu")
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a.index, b.index)
        for x, y in zip(a.views, b.views, strict=True):
            assert (x - y).abs().mean() < 0.1  # decoders interpolate colors in their own ways


class Boxes:
    """Of fake draws nobody can read the boxes."""

    def to(self, dtype):
        return self

    def tolist(self):
        return [[0, 1, 30, 20]] * 16


def test_cost_on_a_device(monkeypatch):
    """Two operations per view for crop and resize, the rest as a batch; nothing waits."""
    monkeypatch.setattr(RandomCrop, "boxes", lambda *_: Boxes())
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # fake ones cannot
    views = SimCLRViews(blur=0.5).bind(size=32, mean=(0.5,) * 3, std=(0.2,) * 3)
    with FakeTensorMode(), torch.no_grad():
        images = [torch.empty(3, 40 + n, 50, dtype=torch.uint8, device="cuda") for n in range(8)]
        seeds = torch.empty(8, dtype=torch.int64)
        views(images, seeds)
        with Launches() as launches:
            made = views(images, seeds)
    assert {view.device.type for view in made} == {"cuda"}
    assert not launches.waits
    assert launches.counts["aten._upsample_bilinear2d_aa.default"] == 16
    assert launches.total < 2 * 16 + 230


class Corner(Framing):
    """Knows nothing of devices."""

    def __call__(self, images, draws, size):
        draws.uniform()
        return geometry.to_unit(torch.stack([image[:, :size, :size] for image in images]))


def test_a_framing_of_ones_own_leaves_the_device_to_its_recipe(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    views = RecipeViews([Recipe(Corner(), [SimCLRChanges()])] * 2, size=16)
    with FakeTensorMode():
        images = [torch.empty(3, 20 + n, 30, dtype=torch.uint8, device="cuda") for n in range(4)]
        made = views(images, torch.empty(4, dtype=torch.int64))
    assert {view.device.type for view in made} == {"cuda"}


def test_no_decoder_is_said_before_training(folder, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("no image extension")

    monkeypatch.setattr("torchvision.io.decode_jpeg", fails)
    with pytest.raises(ValueError, match="no image extension"):
        module(folder, "device").train_dataloader()


@pytest.mark.parametrize("framing", [RandomCrop(), SmallMotion(flip=0.5)])
def test_a_list_on_a_device_gives_the_views_of_the_cpu(monkeypatch, framing):
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(0, 256, (3, 30 + n, 50 - n), dtype=torch.uint8, generator=generator)
        for n in range(20)
    ]
    views = RecipeViews([Recipe(framing)] * 2, size=16)
    seeds = sample_seeds(0, 0, torch.arange(20))
    here = views(images, seeds)
    monkeypatch.setattr(geometry, "on_cpu", lambda tensor: False)
    for a, b in zip(here, views(images, seeds), strict=True):
        assert (a - b).abs().max() < 2 / 255
