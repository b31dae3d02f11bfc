"""The pipelines that make two SimCLR views, and the models that take them."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from kornia.augmentation import (
    AugmentationSequential,
    ColorJitter,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
)
from lightly.transforms import SimCLRTransform
from metaug.datamodules import DatasetDataModule, SimCLRViews, TransformViews, read_image
from metaug.datamodules.sources.jpeg import decode_jpegs
from metaug.datamodules.transforms.seeding import sample_seeds
from PIL import Image
from torch.utils.data import TensorDataset
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import to_pil_image

CPU = torch.device("cpu")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Pipeline:
    """One thing to time.

    Attributes:
        name: Its row in the table.
        step: Handles `images` images once.
        images: How many.
        device: Where it runs.
        wall: Whether to take wall time, because other processes share the work.
    """

    name: str
    step: Callable[[], object]
    images: int
    device: torch.device = CPU
    wall: bool = False


def pictures(count: int, size: int) -> torch.Tensor:
    """Smooth random pictures with a little noise, uint8 `[count, 3, size, size]`."""
    coarse = torch.rand(count, 3, max(4, size // 8), max(4, size // 8))
    fine = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return (fine + 0.05 * torch.randn_like(fine)).clamp(0, 1).mul(255).to(torch.uint8)


def view_pipelines(size: int, device: torch.device) -> list[Pipeline]:
    """Every pipeline at a size, without blur for 32 pixels and with for 224."""
    torch.manual_seed(0)
    count = 128 if size <= 64 else 16
    small = size <= 64
    images = pictures(count, size)
    pil = [to_pil_image(image) for image in images]
    seeds = sample_seeds(0, 0, torch.arange(count))
    arguments = {"size": size, "mean": MEAN, "std": STD}
    if not small:
        arguments |= {"strength": 1.0, "blur": 0.5, "crop_scale": (0.08, 1.0)}
    ours = SimCLRViews(**arguments)
    lightly = SimCLRTransform(
        input_size=size,
        cj_strength=0.5 if small else 1.0,
        min_scale=0.2 if small else 0.08,
        gaussian_blur=0.0 if small else 0.5,
    )
    strength = 0.4 if small else 0.8
    jitter = v2.ColorJitter(strength, strength, strength, strength / 4)
    steps = [
        v2.RandomResizedCrop(size, scale=(0.2, 1.0) if small else (0.08, 1.0)),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([jitter], 0.8),
        v2.RandomGrayscale(0.2),
        *([] if small else [v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], 0.5)]),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ]
    torchvision = TransformViews(v2.Compose(steps), size=size)
    files = [encoded(image) for image in pil]

    pipelines = [
        Pipeline("lightly, SimCLRTransform", lambda: [lightly(image) for image in pil], count),
        Pipeline("torchvision v2, in TransformViews", lambda: torchvision(images, seeds), count),
        Pipeline("ours, images in memory (a batch)", lambda: ours(images, seeds), count),
        Pipeline("ours, images of any size (a list)", lambda: ours(list(images), seeds), count),
        Pipeline(
            "ours, from JPEG files", lambda: ours([read_image(f) for f in files], seeds), count
        ),
        kornia_pipeline(images, size, strength),
    ]
    pipelines += [loader_pipeline(images, arguments, workers) for workers in (0, 2)]
    if device.type != "cpu":
        there, their_seeds = images.to(device), seeds.to(device)
        pipelines.append(
            Pipeline("ours, on the device", lambda: ours(there, their_seeds), count, device)
        )
        pipelines.append(jpeg_pipeline(files, ours, seeds, device))
    return pipelines


def jpeg_pipeline(
    files: list[io.BytesIO], views: SimCLRViews, seeds: torch.Tensor, device: torch.device
) -> Pipeline:
    """JPEG files that are decoded on the device, as by `augment_on: device`."""
    data = [torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8) for file in files]

    def step() -> None:
        images = [image for image in decode_jpegs(data, 3, device) if image is not None]
        views(images, seeds)

    return Pipeline("ours, JPEGs decoded on the device", step, len(files), device)


def loader_pipeline(images: torch.Tensor, arguments: dict[str, Any], workers: int) -> Pipeline:
    """An epoch of the training loader over images in memory."""
    many = images.repeat(8, 1, 1, 1)
    size = images.shape[2]
    datamodule = DatasetDataModule(
        TensorDataset(many, torch.zeros(len(many))),
        views=SimCLRViews(**arguments),
        image_size=size,
        batch_size=len(images),
        num_workers=workers,
        in_memory=True,
    )
    loader = datamodule.train_dataloader()

    def epoch() -> None:
        for _ in loader:
            pass

    note = " (wall time)" if workers else ""
    return Pipeline(
        f"ours, the loader, {workers} workers{note}", epoch, len(many), wall=workers > 0
    )


def kornia_pipeline(images: torch.Tensor, size: int, strength: float) -> Pipeline:
    """Kornia's own augmentations of a batch (without blur)."""
    twice = AugmentationSequential(
        RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        RandomHorizontalFlip(),
        ColorJitter(strength, strength, strength, strength / 4, p=0.8),
        RandomGrayscale(p=0.2),
    )
    floats = images.float() / 255
    return Pipeline("kornia, a batch, no blur", lambda: [twice(floats), twice(floats)], len(images))


def encoded(image: Image.Image) -> io.BytesIO:
    """A JPEG file in memory."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file


def model_pipelines(size: int, device: torch.device) -> list[Pipeline]:
    """Forward and backward of ResNet-18 on two views: what a loader has to keep up with."""
    count = 16 if device.type == "cpu" else 256
    model = timm.create_model("resnet18", num_classes=128)
    if size <= 64:
        model.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = torch.nn.Identity()
    else:
        count //= 4
    model = model.to(device)
    views = torch.randn(2 * count, 3, size, size, device=device)
    kind = "fp32" if device.type == "cpu" else "bf16"

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
            loss = model(views).square().mean()
        model.zero_grad(set_to_none=True)
        loss.backward()

    return [Pipeline(f"ResNet-18, forward and backward, {kind}", step, count, device)]
