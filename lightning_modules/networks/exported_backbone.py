"""Reading an exported backbone: a folder with `config.json` and `model.safetensors`."""

import json
import re
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from .backbone import first_line, timm_backbone

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# Behind timm's name in `architecture`: `local-dir:` of timm then fails with these words, where it
# would build another network and, if the shapes of its weights are the same, say nothing.
OTHER_STEM = " with another stem, by the lines in README.md"


def read_exported(folder: str | Path, module: nn.Module | None = None) -> nn.Module:
    """Build the backbone that `Export` or `metaug export` wrote and load its weights strictly.

    Args:
        folder: The folder of `config.json` and `model.safetensors`.
        module: What the weights belong to, where that is a module of your own; a timm model is
            built as the folder says, its stem for small images included.

    Returns:
        The backbone, in training mode as timm gives it, or the module.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If the export does not say a timm architecture, its stem is neither timm's nor
            that of small images, or its weights do not fit.

    Examples:
        >>> import tempfile
        >>> from metaug.callbacks import export_backbone
        >>> from metaug.lightning_modules import Encoder, read_exported
        >>> backbone = Encoder("test_resnet", small_images=True).backbone
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_backbone(backbone, folder)
        ...     read_exported(folder).eval()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 96])
    """
    folder = Path(folder)
    config = _read_config(folder)
    architecture = config["architecture"]
    try:
        if module is not None:
            module.load_state_dict(load_file(folder / WEIGHTS))
            return module
        if not architecture or not timm.is_model(architecture):
            raise ValueError(
                f"{folder / CONFIG} names the architecture {architecture!r}, which timm does not "
                "know; build the module in Python and pass it: read_exported(folder, module)"
            )
        if config.get("small_images") is False:
            return timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
        backbone = _build(config)
        backbone.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        built = f"timm's {architecture} with {config['model_args']}"
        raise ValueError(
            f"{folder / WEIGHTS} does not fit {built if module is None else type(module).__name__} "
            f"({first_line(error)}); export the backbone again"
        ) from error
    return backbone


def _read_config(folder: Path) -> dict[str, Any]:
    """`config.json`, its architecture as timm calls it."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}, so it is no exported backbone; give the folder that "
                "the callback Export wrote (runs/<name>/<version>/export), or a checkpoint"
            )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        architecture, _ = config["architecture"], config["model_args"]
        return config | {"architecture": architecture and architecture.removesuffix(OTHER_STEM)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder / CONFIG} is not what the callback Export writes ({error}); export the "
            "backbone again"
        ) from error


def _build(config: dict[str, Any]) -> nn.Module:
    """A backbone without its weights, with timm's stem or that for small images.

    Args:
        config: `config.json`. Version 0.1.0 has no `small_images` but a `stem`, lines of Python
            that change timm's; they are compared with those that `small_images` stands for.

    Raises:
        ValueError: If they are other lines.
    """
    architecture, arguments = config["architecture"], config["model_args"]
    plain = timm.create_model(architecture, num_classes=0, **arguments)
    lines = config.get("stem")
    if lines == "":
        return plain
    backbone = small_image_backbone(architecture, arguments)
    if lines is not None and lines != stem_change(plain, backbone):
        raise ValueError(
            f"the export changes timm's stem by {lines!r}, which small_images=True does not; "
            "build the module in Python, load its weights, and pass it as backbone"
        )
    return backbone


def small_image_backbone(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """The backbone with the stem for small images, from what timm is given for the plain one.

    Args:
        architecture: Timm's name of it.
        arguments: Of `timm.create_model`.
    """
    others = {name: value for name, value in arguments.items() if name != "num_classes"}
    channels = others.pop("in_chans", 3)
    return timm_backbone(architecture, small_images=True, image_channels=channels, **others)


def differing_layers(plain: nn.Module, backbone: nn.Module) -> dict[str, nn.Module]:
    """Convolutions, and layers that are left out, of a backbone that the plain one has otherwise.

    Args:
        plain: What `timm.create_model` makes.
        backbone: The backbone.
    """
    layers = dict(plain.named_modules())
    return {
        name: module
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d | nn.Identity)
        and name in layers
        and _describe(layers[name]) != _describe(module)
    }


def stem_change(plain: nn.Module, backbone: nn.Module) -> str:
    """Lines of Python that give timm's plain `model` the stem for small images.

    Args:
        plain: What `timm.create_model` makes.
        backbone: What `small_image_backbone` makes of it.

    Returns:
        Lines such as `model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)`; empty if the stem
        is timm's.
    """
    lines = []
    for name, module in differing_layers(plain, backbone).items():
        path = re.sub(r"\.(\d+)", r"[\1]", f"model.{name}")
        shapes = [_weight_shape(part) for part in (plain.get_submodule(name), module)]
        if shapes[0] is not None and shapes[0] == shapes[1]:
            lines.append(f"{path}.stride = {module.stride}")
        else:
            lines.append(f"{path} = nn.{_describe(module)}")
    return "\n".join(lines)


def _weight_shape(module: nn.Module) -> torch.Size | None:
    weight = getattr(module, "weight", None)
    return None if weight is None else weight.shape


def _describe(module: nn.Module) -> str:
    """A layer as Python; of layers other than convolutions the name alone."""
    if isinstance(module, nn.Identity):
        return "Identity()"
    if not isinstance(module, nn.Conv2d):
        return type(module).__name__
    arguments = [str(module.in_channels), str(module.out_channels), str(_one(module.kernel_size))]
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
    for name, default in defaults.items():
        value = module.bias is not None if name == "bias" else _one(getattr(module, name))
        if value != default:
            arguments.append(f"{name}={value}")
    return f"Conv2d({', '.join(arguments)})"


def _one(value: Any) -> Any:
    """A number for a pair of equal ones."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
