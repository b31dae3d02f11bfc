import numpy as np
import pytest
import torch
from metaug.datamodules import InMemorySource, MultiViewDataModule, Splits
from PIL import Image


class ToyDataModule(MultiViewDataModule):
    """Random color images in memory; image i has class i % 4."""

    def __init__(self, instances=64, edge=12, **kwargs):
        super().__init__(image_size=edge, **kwargs)
        self.instances = instances
        self.edge = edge

    def load(self):
        generator = torch.Generator().manual_seed(1)
        shape = (self.instances, 3, self.edge, self.edge)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        source = InMemorySource(images, torch.arange(self.instances) % 4, list("abcd"))
        return Splits(train=source, val=source, test=source)


@pytest.fixture
def toy():
    return ToyDataModule


@pytest.fixture
def write_images():
    """Write `count` noise images of the given size into a folder."""

    def write(folder, count, size=(12, 10), suffix=".png", seed=0):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        for number in range(count):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03d}{suffix}")

    return write
