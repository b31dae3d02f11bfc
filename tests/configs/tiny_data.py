"""Data sets in the file formats of the real ones, a few random images large."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10


def image_folder(root: Path, *, per_class: int = 100, size: int = 16) -> Path:
    """PNGs in `train/<class>` and `test/<class>`."""
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(per_class):
                pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def cifar10(root: Path, monkeypatch, *, images: int = 50) -> Path:
    """The pickled batches that torchvision unpacks, with its check of their sums disabled."""
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    random = np.random.default_rng(0)
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for file, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        data = random.integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = [number % 10 for number in range(images)]
        (folder / file).write_bytes(pickle.dumps({"data": data, "labels": labels}))
    names = [f"class {number}" for number in range(10)]
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps({CIFAR10.meta["key"]: names}))
    return root
