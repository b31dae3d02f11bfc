"""Views on an accelerator: no tensor on the wrong device, and the same views as on the CPU."""

import pytest
import torch
from metaug.datamodules import (
    AnyChannelViews,
    ColorSpaceViews,
    DigitViews,
    MultiCropViews,
    SimCLRChanges,
    SimCLRViews,
)
from metaug.datamodules.transforms.seeding import sample_seeds
from torch._subclasses.fake_tensor import FakeTensorMode

VIEWS = {
    "simclr": lambda: SimCLRViews(blur=0.5, solarize=0.2),
    "digits": lambda: DigitViews(blur=0.5),
    "multi_crop": lambda: MultiCropViews(changes=[SimCLRChanges(blur=0.5)]),
    "lab": lambda: ColorSpaceViews(strength=0.5, grayscale=0.2),
    "ycbcr": lambda: ColorSpaceViews("ycbcr"),
    "any_channels": lambda: AnyChannelViews(noise=0.02),
}


def channels(name):
    return 5 if name == "any_channels" else 3


def bound(name, size):
    count = channels(name)
    return VIEWS[name]().bind(size=size, mean=(0.5,) * count, std=(0.2,) * count)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("edge", [32, 96])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_all_work_stays_on_the_device(name, edge, dtype):
    """Fake tensors know devices and refuse to mix them or to be read; no GPU is needed."""
    with FakeTensorMode():
        images = torch.empty(4, channels(name), edge, edge, dtype=dtype, device="cuda")
        seeds = torch.empty(4, dtype=torch.int64, device="cuda")
        views = bound(name, 32)(images, seeds)
    assert {view.device.type for view in views} == {"cuda"}
    assert {view.dtype for view in views} == {torch.float32}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(("edge", "size"), [(32, 32), (96, 96)])
@pytest.mark.parametrize("deep", [False, True])
def test_the_device_path_gives_the_views_of_the_workers(monkeypatch, name, edge, size, deep):
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 200, edge)
    images = (ramp[:, None] * 0.5 + ramp * 0.5).expand(40, channels(name), edge, edge)
    images = images + torch.randint(0, 50, (40, channels(name), 1, 1), generator=generator)
    images = images / 255 if deep else images.to(torch.uint8)
    seeds = sample_seeds(0, 0, torch.arange(40))
    here = bound(name, size)(images, seeds)
    for module in ("transforms.color", "transforms.geometry", "transforms.texture", "views.chunks"):
        monkeypatch.setattr(f"metaug.datamodules.{module}.on_cpu", lambda tensor: False)
    there = bound(name, size)(images, seeds)
    for a, b in zip(here, there, strict=True):
        # solarization and the hue of grays jump, so a few pixels may differ
        assert ((a - b).abs() < 0.06).float().mean() > 0.99


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", VIEWS)
def test_a_gpu_gives_the_views_of_the_cpu(name):
    images = torch.randint(0, 256, (40, channels(name), 32, 32), dtype=torch.uint8)
    seeds = sample_seeds(0, 0, torch.arange(40))
    here = bound(name, 32)(images, seeds)
    there = bound(name, 32)(images.cuda(), seeds.cuda())
    for a, b in zip(here, there, strict=True):
        assert ((a - b.cpu()).abs() < 0.01).float().mean() > 0.99
