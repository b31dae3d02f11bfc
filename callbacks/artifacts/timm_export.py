"""A backbone as files that timm loads: which timm model it is, its config and its weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from metaug.lightning_modules.networks.exported_backbone import (
    CONFIG,
    OTHER_STEM,
    WEIGHTS,
    differing_layers,
    small_image_backbone,
    stem_change,
)
from metaug.lightning_modules.networks.parts import part_of
from safetensors.torch import save
from torch import nn

from .preprocessing import Preprocessing


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
    reasons = []
    for candidate in [path] if path else ["encoder.backbone", "backbone"]:
        try:
            return part_of(module, candidate)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(
        f"there is no backbone to export: {'; '.join(reasons)}. Set backbone to the dotted path of "
        "one, for example of one network of an encoder with one for each view"
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


def image_channels(backbone: nn.Module, otherwise: int | None = None) -> int:
    """C of the images that a backbone takes, as its first convolution says.

    Args:
        backbone: The module.
        otherwise: C where it has no convolution; 3 if None.
    """
    convolutions = (m for m in backbone.modules() if isinstance(m, nn.Conv2d))
    return next((convolution.in_channels for convolution in convolutions), otherwise or 3)


def _differences(expected: nn.Module, backbone: nn.Module) -> list[str]:
    """Names of layers and of weights in which two modules differ."""
    shapes = [
        {name: tuple(value.shape) for name, value in module.state_dict().items()}
        for module in (expected, backbone)
    ]
    names = shapes[0].keys() | shapes[1].keys()
    weights = sorted(name for name in names if shapes[0].get(name) != shapes[1].get(name))
    return [*weights, *differing_layers(expected, backbone)]


def write_timm(
    backbone: nn.Module,
    model: TimmModel,
    folder: Path,
    preprocessing: Preprocessing,
    *,
    weights: bool = True,
) -> None:
    """Write `config.json`, which timm's `local-dir:` reads, and `model.safetensors`.

    Args:
        backbone: The module.
        model: What `recognize` says of it.
        folder: Where to write.
        preprocessing: Of the images that it was evaluated on.
        weights: Whether to write the weights too.
    """
    own = getattr(backbone, "pretrained_cfg", None) or {}
    config = {
        "architecture": model.architecture and model.architecture + (OTHER_STEM * bool(model.stem)),
        "num_classes": 0,
        "num_features": getattr(backbone, "num_features", None),
        "model_args": {k: v for k, v in model.arguments.items() if k != "num_classes"},
        "small_images": bool(model.stem),
        "pretrained_cfg": {
            "num_classes": 0,
            "input_size": [preprocessing.channels, *own.get("input_size", [])[1:]],
            "fixed_input_size": own.get("fixed_input_size", False),
            **preprocessing.pretrained_cfg(),
        },
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if weights:
        state = backbone.state_dict().items()
        tensors = {name: value.detach().cpu().contiguous() for name, value in state}
        # by its bytes: safetensors makes files that their owner alone may read
        (folder / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))
