"""The order of a backbone's layers, from the images up, and stages of it that do not train."""

from collections.abc import Sequence
from typing import Any

from timm.models import group_parameters
from torch import nn

from ..arguments.ranges import check_count


def heights(module: nn.Module) -> dict[str, int]:
    """How many layers each parameter of a network has above it, head included, by its name.

    As timm counts: each block of a backbone is a layer, its stem (patch and position embeddings)
    the lowest; everything beside backbones, such as a projection head, is the uppermost: 0.

    Args:
        module: A network that holds backbones of timm, or modules with a `group_matcher` like
            theirs, or is one.

    Raises:
        ValueError: If it does not.
    """
    numbered = dict.fromkeys((name for name, _ in module.named_parameters()), 0)
    backbones: list[str] = []
    for path, part in module.named_modules():
        if hasattr(part, "group_matcher") and not _is_within(path, backbones):
            backbones.append(path)
    if not backbones:
        raise ValueError(
            f"the order of the layers of {type(module).__name__} is not known: only backbones of "
            "timm tell it; give your backbone a method group_matcher(coarse=False) as timm's have "
            "it, or leave layer_decay at 1"
        )
    for path in backbones:
        layers = _layers(module.get_submodule(path), coarse=False)
        above = max(layers.values()) + 1
        prefix = f"{path}." if path else ""
        numbered |= {f"{prefix}{name}": above - layer for name, layer in layers.items()}
    return numbered


def freeze(backbone: nn.Module, stages: int | Sequence[str]) -> list[str]:
    """Let stages of a backbone take no gradient.

    Args:
        backbone: The module.
        stages: The stem and that many stages above it, 0 for none; or the names of parts, such as
            `["conv1", "bn1", "layer1"]`.

    Returns:
        Names of its largest parts of which no parameter trains; the caller keeps them in
        evaluation mode.

    Raises:
        TypeError: If it is neither a whole number nor a list.
        ValueError: If there are no such stages or parts.
    """
    if isinstance(stages, Sequence) and not isinstance(stages, str):
        frozen = {name for part in stages for name in _parameters_of(backbone, part)}
    else:
        check_count("frozen_stages", stages, at_least=0, hint="or a list of names of parts")
        frozen = _lowest(backbone, int(stages)) if stages else set()
    for name, parameter in backbone.named_parameters():
        if name in frozen:
            parameter.requires_grad = False
    whole: list[str] = []
    for path, part in backbone.named_modules():
        names = [f"{path}.{name}" if path else name for name, _ in part.named_parameters()]
        if names and frozen.issuperset(names) and not _is_within(path, whole):
            whole.append(path)
    return whole


def _is_within(path: str, others: Sequence[str]) -> bool:
    return any(path.startswith(f"{other}.") or not other for other in others)


def _layers(backbone: Any, *, coarse: bool) -> dict[str, int]:
    """Numbers of the layers of a backbone's parameters, or of its stages, from 0 at the images."""
    return group_parameters(backbone, backbone.group_matcher(coarse=coarse), reverse=True)


def _lowest(backbone: nn.Module, stages: int) -> set[str]:
    if not hasattr(backbone, "group_matcher"):
        raise ValueError(
            f"frozen_stages={stages} counts stages, which {type(backbone).__name__} does not tell "
            f"apart; name its parts: {_parts(backbone)}"
        )
    numbers = _layers(backbone, coarse=True)
    if not 0 <= stages <= max(numbers.values()):
        raise ValueError(
            f"frozen_stages must be from 0 to {max(numbers.values())}, the stages of "
            f"{type(backbone).__name__} above its stem, got {stages}"
        )
    return {name for name, number in numbers.items() if number <= stages}


def _parameters_of(backbone: nn.Module, part: str) -> list[str]:
    names = [name for name, _ in backbone.named_parameters()]
    found = [name for name in names if name == part or name.startswith(f"{part}.")]
    if not found:
        raise ValueError(
            f"frozen_stages names {part!r}, but {type(backbone).__name__} has no such part with "
            f"parameters; it has {_parts(backbone)}"
        )
    return found


def _parts(backbone: nn.Module) -> str:
    return ", ".join(dict.fromkeys(name.split(".")[0] for name, _ in backbone.named_parameters()))
