"""A backbone as a folder that others can use: weights, programs, config and card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from metaug.lightning_modules.networks.exported_backbone import CONFIG, WEIGHTS
from torch import nn

from ..plotting.style import style
from .hub import EXPORTED
from .model_card import About, model_card
from .preprocessing import Preprocessing, described
from .programs import Format, check_formats, write_programs
from .recipe import recipe_of
from .timm_export import image_channels, recognize, write_timm


def export_backbone(
    backbone: nn.Module,
    folder: str | Path,
    *,
    formats: Sequence[Format] = ("timm",),
    architecture: str | None = None,
    architecture_args: Mapping[str, Any] | None = None,
    method: str = "MetAug",
    scores: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    license: str | None = None,
    config: str | None = None,
    curves: Figure | None = None,
) -> Path:
    """Write a backbone in some formats, with `config.json` and the card `README.md`.

    `timm` writes `model.safetensors`. A backbone that timm made needs neither `architecture` nor,
    if it has its usual form, `architecture_args`; `timm.create_model("local-dir:FOLDER",
    pretrained=True)` loads it. If it has the stem for small images, for which timm has no
    arguments, the card has the lines that do. A module of your own, or timm's with a stem of your
    own and `architecture=""`, is written as weights alone. `read_exported` reads all of them.
    `onnx` writes `model.onnx`, `torch_export` `model.pt2`: programs for batches of any size, which
    are run and compared with the backbone before the card says so.

    Args:
        backbone: The module.
        folder: Where to write; what an earlier export left there is removed.
        formats: Some of `timm`, `onnx` and `torch_export`.
        architecture: Timm's name of it; what the module says of itself if None.
        architecture_args: What else `timm.create_model` needs for it.
        method: What trained it, for the card.
        scores: Name of scores, and value or (value, protocol), for the card.
        training: Name and value of facts about the training, for the card.
        preprocessing: How the images were prepared that it was evaluated on, as `preprocessing_of`
            says of a data module: `image_size`, `mean`, `std`, and more. What timm says of the
            architecture if None.
        license: Of the weights, as the Hub calls it: `mit`, `apache-2.0`, `cc-by-nc-4.0`, ...
        config: The text of the run's `config.yaml`, which is laid beside the weights.
        curves: The figure of training.

    Returns:
        The file of weights, or the card if there is none.

    Raises:
        ValueError: If the backbone differs from timm's model in more than the stem for small
            images, a format cannot hold it, or the folder holds other files of these names.

    Examples:
        >>> import tempfile, timm, torch
        >>> backbone = timm.create_model("test_resnet", num_classes=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_backbone(backbone, folder)
        ...     again = timm.create_model(f"local-dir:{folder}", pretrained=True)
        >>> torch.equal(again.conv1[0].weight, backbone.conv1[0].weight)
        True
    """
    check_formats(formats)
    model = recognize(backbone, architecture, architecture_args)
    prepared = preprocessing_for(backbone, preprocessing)
    folder = Path(folder)
    _make_room(folder)
    weights = "timm" in formats
    write_timm(backbone, model, folder, prepared, weights=weights)
    if config is not None:
        (folder / "config.yaml").write_text(config, encoding="utf-8")
    if curves is not None:
        with style():
            curves.savefig(folder / "training_curves.png")
    about = About(
        method=method,
        scores=scores or {},
        training=training or {},
        recipe=recipe_of(yaml.safe_load(config) or {}) if config is not None else {},
        has_config=config is not None,
        has_curves=curves is not None,
        license=license,
    )
    differences: dict[str, float] = {}
    shape: list[int] = []
    try:
        if set(formats) - {"timm"}:
            shape = image_shape(backbone, prepared)
            for file, difference in write_programs(backbone, folder, formats, shape):
                differences[file] = difference
    finally:  # whatever was written has a card
        card = model_card(
            about,
            model,
            name=f"{type(backbone).__module__}.{type(backbone).__qualname__}",
            features=getattr(backbone, "num_features", "an unknown number of"),
            preprocessing=prepared,
            differences=differences,
            shape=shape,
            weights=WEIGHTS if weights else None,
        )
        (folder / "README.md").write_text(card, encoding="utf-8")
    return folder / (WEIGHTS if weights else "README.md")


def preprocessing_for(backbone: nn.Module, said: Mapping[str, Any] | None) -> Preprocessing:
    """How images are prepared for a backbone, as its data module says it.

    Args:
        backbone: The module.
        said: What `preprocessing_of` gives, or a part of it.
    """
    return described(image_channels(backbone, (said or {}).get("image_channels")), said)


def image_shape(backbone: nn.Module, preprocessing: Preprocessing) -> list[int]:
    """`[C, H, W]` of the images of a program.

    Raises:
        ValueError: If neither the data nor timm say H and W.
    """
    if preprocessing.image_size is not None:
        return [preprocessing.channels, preprocessing.image_size, preprocessing.image_size]
    own = (getattr(backbone, "pretrained_cfg", None) or {}).get("input_size")
    if own is None:
        raise ValueError(
            "onnx and torch_export need the size of the images, which neither the data nor the "
            "backbone say: set image_size to their edge in pixels"
        )
    return [preprocessing.channels, *own[1:]]


def _make_room(folder: Path) -> None:
    """Make the folder; remove what an earlier export left in it, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    here = [name for name in EXPORTED if (folder / name).exists()]
    if here and not _is_export(folder):
        raise ValueError(
            f"{folder} holds {', '.join(here)}, and is no earlier export; give another folder"
        )
    for name in here:
        (folder / name).unlink()


def _is_export(folder: Path) -> bool:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "model_args" in config
