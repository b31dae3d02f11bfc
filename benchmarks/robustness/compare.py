"""Whether a run that was stopped and resumed ended as one that never was."""

import csv
import os
from pathlib import Path
from typing import Any

import torch

# what names files, or depends on the clock
_OF_THE_PLACE = ("ModelCheckpoint", "hyper_parameters", "time_elapsed")


def last_checkpoint(folder: Path) -> dict[str, Any]:
    """The checkpoint that was written last in a folder of runs."""
    paths = sorted(folder.glob("runs/tiny/*/checkpoints/last*.ckpt"), key=os.path.getmtime)
    return torch.load(paths[-1], weights_only=True)


def scores(folder: Path) -> dict[tuple[str, int], str]:
    """Every logged value by name and step; a later run of the folder overwrites an earlier one."""
    logged = {}
    for path in sorted(folder.glob("runs/tiny/*/metrics.csv"), key=os.path.getmtime):
        with path.open() as lines:
            for row in csv.DictReader(lines):
                logged.update({(name, int(row["step"])): row[name] for name in row if row[name]})
    return {key: value for key, value in logged.items() if "images_per_second" not in key[0]}


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """Where two nested states differ, bit for bit.

    Args:
        first: One.
        second: The other.
        path: Where they are part of.
    """
    if any(name in path for name in _OF_THE_PLACE):
        return []
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return [f"{path}: keys {first.keys() ^ second.keys()}"]
        return [d for key in first for d in differences(first[key], second[key], f"{path}/{key}")]
    if isinstance(first, list | tuple):
        if len(first) != len(second):
            return [f"{path}: length"]
        pairs = enumerate(zip(first, second, strict=True))
        return [d for index, pair in pairs for d in differences(*pair, f"{path}/{index}")]
    if isinstance(first, torch.Tensor):
        same = torch.equal(first, second) and first.dtype == second.dtype
        return [] if same else [path]
    return [] if first == second else [f"{path}: {first} != {second}"]


def compare(resumed: Path, never_stopped: Path) -> list[str]:
    """How two folders of runs differ: last checkpoint and logged values."""
    found = differences(last_checkpoint(resumed), last_checkpoint(never_stopped))
    logged, expected = scores(resumed), scores(never_stopped)
    found += [
        f"{name} at {step}: {logged.get((name, step))} != {value}"
        for (name, step), value in expected.items()
        if logged.get((name, step)) != value
    ]
    return found + [f"{key}: logged once too often" for key in logged.keys() - expected.keys()]
