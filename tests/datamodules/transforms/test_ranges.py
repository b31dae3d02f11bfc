"""Every number in a public signature has its range checked where it is taken in."""

import inspect
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from metaug.datamodules import (
    DigitsDataModule,
    InMemorySource,
    RandomCrop,
    Recipe,
    SimCLRViews,
)
from metaug.datamodules.transforms.ranges import check, check_pair

from metaug import datamodules

SOURCE = InMemorySource(torch.zeros(8, 3, 8, 8, dtype=torch.uint8))
# what the constructors cannot do without
NEEDED = {
    "root": "somewhere",
    "shards": "somewhere",
    "data": DigitsDataModule(),
    "train": [(np.zeros((8, 8, 3), dtype=np.uint8), 0)],
    "dataset": [(np.zeros((8, 8, 3), dtype=np.uint8), 0)],
    "source": SOURCE,
    "views": SimCLRViews(),
    "transform": lambda image: image,
    "recipes": [Recipe(RandomCrop())] * 2,
    "framing": RandomCrop(),
    "paths": [],
    "indices": [],
    "batch_size": 2,
    "images": SOURCE.images,
}
LEFT_TO_TORCH = {"rank", "world_size"}  # DistributedSampler checks them


def is_number(hint: object) -> bool:
    if isinstance(hint, UnionType):
        return any(is_number(part) for part in get_args(hint))
    return hint in (int, float)


def numbers() -> list[tuple[type, str, bool]]:
    found = []
    for kind in vars(datamodules).values():
        if not inspect.isclass(kind) or inspect.isabstract(kind) or issubclass(kind, tuple):
            continue
        for base in kind.__mro__:  # arguments that are passed on by **kwargs count too
            if "__init__" not in vars(base) or not base.__module__.startswith("metaug"):
                continue
            hints = get_type_hints(base.__init__)
            for argument in inspect.signature(base.__init__).parameters:
                hint = hints.get(argument)
                pair = get_origin(hint) is tuple
                if argument not in LEFT_TO_TORCH and (is_number(hint) or pair):
                    found.append((kind, argument, pair))
    return sorted(set(found), key=str)


def build(kind: type, **arguments: object) -> object:
    parameters = inspect.signature(kind.__init__).parameters
    needed = {
        name: NEEDED[name]
        for name, parameter in parameters.items()
        if name in NEEDED and parameter.default is parameter.empty
    }
    if kind.__name__ == "EvaluationDataset" and "size" not in arguments:
        needed["size"] = 8
    return kind(**{**needed, **arguments})


NONSENSE = [float("nan"), float("inf"), -7, -7.5, True, "many"]
MAY_BE_LARGE = {
    "batch_size", "blur_sigma", "brightness", "channels", "contrast", "eval_batch_size",
    "image_channels", "labels_per_class", "noise", "num_global", "num_local", "num_views", "ratio",
    "saturation", "scale", "sigma", "strength",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "argument", "pair"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in numbers()],
)
def test_nonsense_is_refused_by_name(kind, argument, pair):
    parameters = inspect.signature(kind.__init__).parameters
    if argument not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        pytest.skip("not an argument of this class")
    if (kind.__name__, argument) == ("DigitsDataModule", "image_channels"):
        pytest.skip("it passes one itself")
    for bad in [*NONSENSE, *([] if argument in MAY_BE_LARGE else [10**30])]:
        with pytest.raises(ValueError, match=f"{argument}|number") as caught:
            build(kind, **{argument: (bad, bad) if pair else bad})
        assert "\n" not in str(caught.value)


def test_there_is_a_good_number_of_numbers():
    assert len(numbers()) > 70


@pytest.mark.parametrize(
    "value", [1, 1.0, np.int64(1), np.float32(1.0)], ids=lambda value: type(value).__name__
)
def test_numbers_of_numpy_are_numbers(value):
    check(value, "value", above=0, at_most=1)


def test_messages():
    with pytest.raises(
        ValueError, match=r"^size must be a whole number at least 2, or null, got 1\.$"
    ):
        check(1, "size", at_least=2, whole=True, optional=True)
    with pytest.raises(ValueError, match=r"^rate must be a finite number above 0, got nan; so\.$"):
        check(float("nan"), "rate", above=0, why="so")
    with pytest.raises(ValueError, match=r"scale must be \(low, high\) with low <= high"):
        check_pair((0.5, 0.2), "scale")
    check(None, "size", optional=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": -32}, "image_size must be"),
        ({"image_size": 32.5}, "image_size must be a whole number"),
        ({"num_workers": -1}, "num_workers must be"),
        ({"mean": [0.5]}, "mean must hold one number per channel of the images, 3"),
        ({"std": [0.5] * 4}, "std must hold one number per channel of the images, 3"),
        ({"std": [0.5, 0.0, 0.5]}, "each number of std must be a finite number above 0"),
        ({"mean": []}, "mean must be a list"),
        ({"image_channels": 1, "views": SimCLRViews(mean=[0.5] * 3, std=[1.0] * 3)}, "mean must"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_faults_of_habit(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        datamodules.ImageFolderDataModule(str(tmp_path), **arguments)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_files_have_one_or_three_channels(tmp_path: Path, channels):
    with pytest.raises(ValueError, match=f"image_channels must be 1 or 3, got {channels}"):
        datamodules.ImageFolderDataModule(
            str(tmp_path), image_channels=channels, mean=[0.5] * channels, std=[0.5] * channels
        )
    with pytest.raises(ValueError, match=f"image_channels must be 1 or 3, got {channels}"):
        datamodules.ImageFolderDataModule(str(tmp_path), image_channels=channels)
