"""The command `metaug statistics`: what normalizes a data set's images, as a config."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, Namespace

from metaug.datamodules import MultiViewDataModule
from metaug.datamodules.sources.folders import STATISTICS
from metaug.datamodules.sources.statistics import ChannelStatistics, channel_statistics
from metaug.settings.before_the_run import expand_paths
from metaug.settings.config_layers import read_config
from metaug.trainer_cli import StrictParser

_DATA_SETTINGS = ("image_channels", "value_range")  # what the numbers hold for


def write_statistics(options: Sequence[str]) -> Path:
    """Compute the statistics of the training images, print them and write them to a config.

    Args:
        options: What follows the command; the configs are real paths, of which the data alone are
            taken.

    Returns:
        The file.

    Raises:
        ValueError: No data module is named, or no image can be read.
    """
    parser = StrictParser()
    parser.add_argument("--config", action=ActionConfigFile)
    parser.add_lightning_class_args(MultiViewDataModule, "data", subclass_mode=True)
    parser.add_argument("--output", type=str, default=None)
    settings = parser.parse_args(_data_alone(options))
    expand_paths(settings)
    arguments = settings.data.init_args
    _leave_as_read(arguments)
    data = parser.instantiate_classes(settings).data
    data.prepare_data()
    data.setup("fit")
    source = data.splits.train
    found = channel_statistics(source, threads=min(8, os.cpu_count() or 1))
    data.teardown("fit")
    name = settings.data.class_path.rpartition(".")[2]
    print(_table(found, name))
    root = getattr(data, "root", None)
    beside = Path(root).expanduser() if root and Path(root).expanduser().is_dir() else Path()
    output = Path(settings.output or beside / STATISTICS)
    kept = {key: arguments[key] for key in _DATA_SETTINGS if arguments.get(key) is not None}
    output.write_text(_config(found, name, kept), encoding="utf-8")
    print(f"wrote {output}; behind the other configs, --config {output} normalizes by it")
    return output


def _data_alone(options: Sequence[str]) -> list[str]:
    """The options, of each config its `data` alone."""
    result: list[str] = []
    remaining = iter(options)
    for option in remaining:
        if option != "--config":
            result.append(option)
            continue
        config = next(remaining)
        settings = yaml.safe_load(config) if config.startswith("{") else read_config(Path(config))
        if data := (settings or {}).get("data"):
            result += ["--config", yaml.safe_dump({"data": data}, default_flow_style=True)]
    named = any(option.partition("=")[0] == "--data" for option in result)
    if not named and not any("class_path" in option for option in result):
        raise ValueError(
            "statistics of which data? give it as --data ImageFolderDataModule, or --config"
        )
    return result


def _leave_as_read(arguments: Namespace) -> None:
    """Let a data module be built without statistics, and its images not be resized."""
    channels = arguments.get("image_channels") or 3
    if "mean" in arguments:
        given = channels not in (1, 3)
        arguments.mean = [0.0] * channels if given else None
        arguments.std = [1.0] * channels if given else None
    if arguments.get("in_memory"):
        arguments.in_memory = False


def _table(found: ChannelStatistics, name: str) -> str:
    rows = [f"{found.images} training images of {name}, as read, in [0, 1]"]
    rows.append(f"{'channel':<8}{'mean':>10}{'std':>10}")
    for number, (mean, std) in enumerate(zip(found.mean, found.std, strict=True), start=1):
        rows.append(f"{number:<8}{mean:>10.6f}{std:>10.6f}")
    return "\n".join(rows)


def _config(found: ChannelStatistics, name: str, kept: dict[str, Any]) -> str:
    constant = [number for number, std in enumerate(found.std, start=1) if std == 0]
    if constant:
        warnings.warn(
            f"channel(s) {constant} hold one value in all images and say nothing; their std is "
            "written as 1",
            stacklevel=2,
        )
    std = [std or 1.0 for std in found.std]
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}
    settings = {"data": {"init_args": {**plain, "mean": found.mean, "std": std}}}
    head = (
        f"# Mean and std of each channel of the {found.images} training images of {name}, as read\n"
        "# (not resized), in [0, 1]; by `metaug statistics`, for --config.\n"
    )
    return head + yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)
