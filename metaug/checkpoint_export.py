"""The command `metaug export`: the backbone of a finished checkpoint, for others to use."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from pytorch_lightning import LightningDataModule
from torch import nn

from metaug.callbacks import export_backbone, push_to_hub
from metaug.callbacks.artifacts.hub import exported_files
from metaug.callbacks.artifacts.preprocessing import preprocessing_of
from metaug.callbacks.artifacts.programs import FORMATS, check_formats
from metaug.callbacks.artifacts.run_facts import (
    command_line,
    curves_of,
    facts_of_data,
    scores_of,
    versions,
)
from metaug.callbacks.artifacts.timm_export import built_with, find_backbone
from metaug.lightning_modules.evaluation.pretrained_encoder import read_network
from metaug.options import OptionParser
from metaug.run_folder import check_readable
from metaug.settings.before_the_run import expand_paths
from metaug.settings.config_layers import read_config
from metaug.trainer_cli import StrictParser


def export_from_options(options: Sequence[str]) -> Path:
    """Export the backbone of a checkpoint, and upload it where that is asked for.

    Args:
        options: What follows the command.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: There is no such checkpoint or config.
        ValueError: The checkpoint is none of MetAug, or a format cannot hold its backbone.
        OSError: The upload failed.
    """
    given = _parse(options)
    output = folder_of(given.checkpoint, given.output)
    earlier = exported_files(output)
    folder = export_checkpoint(
        given.checkpoint,
        output,
        formats=given.formats,
        config=given.config,
        license=given.license,
        backbone=given.backbone,
        architecture=given.architecture,
        image_size=given.image_size,
    )
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    written = exported_files(folder)
    print(f"wrote {shown}: {', '.join(written)}")
    if removed := [name for name in earlier if name not in written]:
        print(
            f"removed {', '.join(removed)} of the earlier export there: a folder is of one export; "
            "give all its --formats at once, or --output FOLDER"
        )
    if given.push_to_hub is not None:
        place = push_to_hub(folder, given.push_to_hub, dry_run=given.dry_run)
        print(f"{'uploaded to' if given.dry_run is None else 'would upload what is in'} {place}")
    return folder


def export_checkpoint(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    formats: Sequence[Any] = ("timm",),
    config: str | Path | None = None,
    license: str | None = None,
    backbone: str | None = None,
    architecture: str | None = None,
    image_size: int | None = None,
) -> Path:
    """Write the backbone of a checkpoint of MetAug or FineTuner, with what the run says of it.

    Args:
        checkpoint: The file.
        output: Where to write; `export` in the run's folder if None.
        formats: Some of `timm`, `onnx` and `torch_export`.
        config: Config of the run; the `config.yaml` of its folder if None.
        license: Of the weights, as the Hub calls it.
        backbone: Dotted path of the submodule; `encoder.backbone` if None.
        architecture: Timm's name of it; what the module says of itself if None.
        image_size: Edge of the images of `onnx` and `torch_export`, where no config says it.

    Returns:
        The folder.

    Raises:
        ValueError: If a `LinearEvaluator` wrote the checkpoint, or a program is asked for and the
            size of its images is not known.
    """
    check_formats(formats)
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give a checkpoint, a file such as last.ckpt")
    check_readable(path)
    module = nn.Module()
    module.encoder = read_network(path)  # says what is missing
    saved = torch.load(path, map_location="cpu", weights_only=True)
    method = _method(saved["hyper_parameters"], path)
    text = _config_text(_run_of(path), config)
    datamodule = None if text is None else datamodule_of(yaml.safe_load(text))
    images = preprocessing_of(datamodule)
    images["image_size"] = images.get("image_size") or image_size
    if images["image_size"] is None and set(formats) - {"timm"}:
        raise ValueError(
            "onnx and torch_export need the size of the images that the backbone was trained for, "
            "which no config says: give --config FILE of the run, or --image_size PIXELS"
        )
    folder = folder_of(path, output)
    states = saved.get("callbacks", {})
    export_backbone(
        find_backbone(module, backbone),
        folder,
        formats=formats,
        architecture=architecture,
        architecture_args=built_with(module),
        method=method,
        scores=scores_of(states),
        training={
            "module": method,
            **({"part": backbone} if backbone else {}),
            **(facts_of_data(datamodule) if text is not None else {}),
            "epochs": saved["epoch"] + 1,
            "steps": saved["global_step"],
            "checkpoint": path.name,
            "exported by": f"`{command_line()}`",
            **versions(),
        },
        preprocessing=images,
        license=license,
        config=text,
        curves=curves_of(states),
    )
    return folder


def folder_of(checkpoint: str | Path, output: str | Path | None) -> Path:
    """Where the export of a checkpoint goes; `export` in the run's folder if `output` is None."""
    if output is not None:
        return Path(output).expanduser()
    return _run_of(Path(checkpoint).expanduser()) / "export"


def _run_of(checkpoint: Path) -> Path:
    folder = checkpoint.absolute().parent
    return folder.parent if folder.name == "checkpoints" else folder


def _method(hyper_parameters: Mapping[str, Any], path: Path) -> str:
    """What trained the backbone of a checkpoint."""
    if "encoder" in hyper_parameters:
        return "MetAug"
    if "learning_rates" in hyper_parameters:
        raise ValueError(
            f"{path} is of LinearEvaluator, which does not train its backbone; export the "
            "checkpoint that it evaluated"
        )
    return "FineTuner"


def _parse(options: Sequence[str]) -> Any:
    parser = OptionParser("export")
    parser.add_argument("checkpoint")
    parser.add_argument("--formats", nargs="+", default=["timm"], choices=FORMATS)
    names = ("output", "config", "license", "backbone", "architecture", "push_to_hub", "dry_run")
    for name in names:
        parser.add_argument(f"--{name}")
    parser.add_argument("--image_size", type=int)
    given = parser.parse_args(list(options))
    if given.dry_run is not None and given.push_to_hub is None:
        raise ValueError("--dry_run shows what --push_to_hub USER/NAME would upload; give both")
    return given


def _config_text(run: Path, config: str | Path | None) -> str | None:
    path = run / "config.yaml" if config is None else Path(config)
    if config is None and not path.is_file():
        print(
            f"there is no {path}: how images were prepared, and the recipe, are not known; "
            "--config FILE gives the config of the run"
        )
        return None
    read_config(path)
    return path.read_text(encoding="utf-8")


def datamodule_of(settings: Mapping[str, Any]) -> LightningDataModule | None:
    """The data module of a config; what it reads need not be there."""
    data = (settings or {}).get("data")
    if not data:
        return None
    parser = StrictParser()
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    parsed: Namespace = parser.parse_object({"data": dict(data)})
    expand_paths(parsed)
    return parser.instantiate_classes(parsed).data
