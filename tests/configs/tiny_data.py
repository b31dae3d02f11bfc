"""Data sets in the file formats of the real ones, a few random images large."""

import pickle
from pathlib import Path

import numpy as np
from metaug.datamodules.sources.folders import read_class_list
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100


def write_images(folder: Path, count: int, size: int, ending: str = "png") -> None:
    """Random images, numbered."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{ending}")


def image_folder(root: Path, *, per_class: int = 100, size: int = 16) -> Path:
    """PNGs in `train/<class>` and `test/<class>`."""
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            write_images(root / part / name, per_class, size)
    return root


def imagenet(root: Path) -> Path:
    """JPEGs in `train/<wnid>` and `val/<wnid>`, of the classes of ImageNet-100 and one other."""
    for wnid in (*read_class_list("imagenet100"), "n99999999"):
        write_images(root / "train" / wnid, 2, 48, "JPEG")
        write_images(root / "val" / wnid, 1, 48, "JPEG")
    return root


def tiny_imagenet(root: Path) -> Path:
    """The folders that the published archive unpacks to."""
    folder = root / "tiny-imagenet-200"
    for wnid in ("n01", "n02"):
        write_images(folder / "train" / wnid / "images", 10, 64, "JPEG")
    write_images(folder / "val" / "images", 8, 64, "JPEG")
    lines = [f"{number}.JPEG\tn0{1 + number % 2}\t0\t0\t62\t62" for number in range(8)]
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines))
    return root


def stl10(root: Path, monkeypatch) -> Path:
    """The published binary files: columns before rows, labels from 1."""
    monkeypatch.setattr("torchvision.datasets.stl10.check_integrity", lambda *_: True)
    random = np.random.default_rng(0)
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for split, count in (("train", 20), ("test", 20), ("unlabeled", 24)):
        random.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8).tofile(
            folder / f"{split}_X.bin"
        )
        (np.arange(count, dtype=np.uint8) % 10 + 1).tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join("abcdefghij"))
    return root


def cifar(root: Path, monkeypatch, *, images: int = 50, data_set: type[CIFAR10] = CIFAR10) -> Path:
    """The pickled batches that torchvision unpacks, with its check of their sums disabled."""
    monkeypatch.setattr(data_set, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    random = np.random.default_rng(0)
    folder = root / data_set.base_folder
    folder.mkdir(parents=True)
    key = "fine_labels" if data_set is CIFAR100 else "labels"
    for file, _ in (*data_set.train_list, *data_set.test_list):
        data = random.integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = [number % 10 for number in range(images)]
        (folder / file).write_bytes(pickle.dumps({"data": data, key: labels}))
    names = [f"class {number}" for number in range(10)]
    meta = data_set.meta
    (folder / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: names}))
    return root
