"""A backbone as files that timm loads: which timm model it is, weights, config and card."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from metaug.lightning_modules.networks.exported_backbone import (
    CONFIG,
    WEIGHTS,
    differing_layers,
    small_image_backbone,
    stem_change,
)
from safetensors.torch import save_file
from torch import nn

from .model_card import CARD, loading_snippet, table


@dataclass(frozen=True)
class TimmModel:
    """How timm makes a backbone.

    Attributes:
        architecture: Timm's name of it; None or empty for a module of the user's own.
        arguments: Of `timm.create_model`.
        stem: Lines of Python that give it the stem for small images; empty if it has timm's.
    """

    architecture: str | None
    arguments: dict[str, Any]
    stem: str = ""


def find_backbone(module: nn.Module, path: str | None = None) -> nn.Module:
    """The backbone of a module: at a dotted path, or `encoder.backbone`, or `backbone`.

    Raises:
        ValueError: If there is none.
    """
    for candidate in [path] if path else ["encoder.backbone", "backbone"]:
        try:
            return module.get_submodule(candidate)
        except AttributeError:
            continue
    tried = repr(path) if path else "'encoder.backbone' or 'backbone'"
    children = ", ".join(name for name, _ in module.named_children())
    raise ValueError(
        f"{type(module).__name__} has no submodule {tried}; it has {children}. Set backbone= to "
        "the dotted path of the one to export"
    )


def built_with(module: nn.Module) -> dict[str, Any]:
    """Timm arguments that MetAug's encoder was built with; nothing for other modules."""
    try:
        backbone = find_backbone(module, "encoder.backbone")
    except ValueError:
        return {}
    return dict(getattr(backbone, "timm_args", {}))


def recognize(
    backbone: nn.Module,
    architecture: str | None = None,
    architecture_args: Mapping[str, Any] | None = None,
) -> TimmModel:
    """Which timm model a backbone is, with timm's stem or that for small images.

    Args:
        backbone: The module.
        architecture: Timm's name of it; what the module says of itself if None.
        architecture_args: What else `timm.create_model` needs for it.

    Raises:
        ValueError: If it differs from timm's model in more than that.
    """
    if architecture is None:
        architecture = (getattr(backbone, "pretrained_cfg", None) or {}).get("architecture")
    arguments = {"num_classes": 0} | dict(architecture_args or {})
    if image_channels(backbone) != 3:
        arguments["in_chans"] = image_channels(backbone)
    if not architecture:
        return TimmModel(None, arguments)
    with torch.device("meta"):
        plain = timm.create_model(architecture, **arguments)
        differences = _differences(plain, backbone)
        if not differences:
            return TimmModel(architecture, arguments)
        try:
            small = small_image_backbone(architecture, arguments)
        except ValueError:
            small = plain
    if not _differences(small, backbone):
        return TimmModel(architecture, arguments, stem_change(plain, small))
    raise ValueError(
        f"the backbone is not timm's {architecture!r} with {arguments}, nor that with "
        f"small_images=True: {differences[:3]} differ. Give architecture_args= what "
        "timm.create_model was called with, or architecture='' to write the weights of a module "
        "of your own"
    )


def image_channels(backbone: nn.Module) -> int:
    """C of the images that a backbone takes, as its first convolution says; 3 without one."""
    convolutions = (m for m in backbone.modules() if isinstance(m, nn.Conv2d))
    return next((convolution.in_channels for convolution in convolutions), 3)


def _differences(expected: nn.Module, backbone: nn.Module) -> list[str]:
    """Names of layers and of weights in which two modules differ."""
    shapes = [
        {name: tuple(value.shape) for name, value in module.state_dict().items()}
        for module in (expected, backbone)
    ]
    names = shapes[0].keys() | shapes[1].keys()
    weights = sorted(name for name in names if shapes[0].get(name) != shapes[1].get(name))
    return [*weights, *differing_layers(expected, backbone)]


def _evaluation_transform(channels: int, preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """Timm's words for it: the shorter edge resized to the image size, then the middle."""
    size, mean, std = (preprocessing.get(name) for name in ("image_size", "mean", "std"))
    known: dict[str, Any] = {}
    if size is not None:
        known |= {"input_size": [channels, size, size], "crop_pct": 1.0, "crop_mode": "center"}
        known |= {"interpolation": "bilinear"}
    if mean is not None and std is not None and len(mean) == channels:
        known |= {"mean": [float(value) for value in mean], "std": [float(value) for value in std]}
    return known


def export_backbone(
    backbone: nn.Module,
    folder: str | Path,
    *,
    architecture: str | None = None,
    architecture_args: Mapping[str, Any] | None = None,
    method: str = "MetAug",
    scores: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
) -> Path:
    """Write `model.safetensors`, `config.json` and the card `README.md`.

    A backbone that timm made needs neither `architecture` nor, if it has its usual form,
    `architecture_args`. `timm.create_model("local-dir:FOLDER", pretrained=True)` loads it; if it
    has the stem for small images, the card has the lines of plain timm that give it, and
    `small_images` stands in the config. Both are read by `PretrainedEncoder`. A module of your own,
    or timm's with a stem of your own and `architecture=""`, is written as weights alone.

    Args:
        backbone: The module.
        folder: Where to write.
        architecture: Timm's name of it; what the module says of itself if None.
        architecture_args: What else `timm.create_model` needs for it.
        method: What trained it, for the card.
        scores: Name and value of scores, for the card.
        training: Name and value of facts about the training, for the card.
        preprocessing: `image_size`, `mean` and `std` of the images it was trained on, for
            `timm.data.resolve_data_config`; what timm says of the architecture if None.

    Returns:
        The file of weights.

    Raises:
        ValueError: If the backbone differs from timm's model in more than the stem for small
            images.

    Examples:
        >>> import tempfile, timm
        >>> backbone = timm.create_model("test_resnet", num_classes=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_backbone(backbone, folder)
        ...     again = timm.create_model(f"local-dir:{folder}", pretrained=True)
        >>> torch.equal(again.conv1[0].weight, backbone.conv1[0].weight)
        True
    """
    model = recognize(backbone, architecture, architecture_args)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    own = getattr(backbone, "pretrained_cfg", None) or {}
    config = {
        "architecture": model.architecture,
        "num_classes": 0,
        "num_features": getattr(backbone, "num_features", None),
        "model_args": {k: v for k, v in model.arguments.items() if k != "num_classes"},
        "small_images": bool(model.stem),
        "pretrained_cfg": {
            "num_classes": 0,
            "input_size": [image_channels(backbone), *own.get("input_size", [])[1:]],
            "fixed_input_size": own.get("fixed_input_size", False),
            **_evaluation_transform(image_channels(backbone), preprocessing or {}),
        },
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    card = CARD.format(
        method=method,
        architecture=model.architecture or type(backbone).__name__,
        channels=image_channels(backbone),
        features=getattr(backbone, "num_features", "an unknown number of"),
        snippet=loading_snippet(model.architecture, model.arguments, model.stem, WEIGHTS),
        weights=WEIGHTS,
        library="library_name: timm\n" if model.architecture else "",
        names=" under timm's own names" if model.architecture else "",
        scores=table(scores or {}, ("score", "value")),
        training=table(training or {}, ("", "")),
    )
    (folder / "README.md").write_text(card)
    return folder / WEIGHTS
