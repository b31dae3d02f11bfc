"""A file's tensors made to fit a backbone: stems of other channels, position embeddings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from timm.models import adapt_input_conv
from torch import Tensor, nn

# parts of networks that no backbone has: classifiers and projection heads
_HEADS = {
    "fc",
    "head",
    "heads",
    "head_dist",
    "classifier",
    "linear",
    "projector",
    "projection_head",
}


@dataclass
class Fit:
    """How tensors fit a backbone, by its names.

    Attributes:
        loaded: Tensors of the backbone's own shapes.
        missing: What the backbone has and the tensors do not.
        unexpected: Of the backbone's own parts, but not in it.
        misshapen: What has another shape, with both.
        left_out: First parts of the names of all else, such as `fc`.
        notes: What was changed or stays at its random start, each in words.
    """

    loaded: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fit(tensors: dict[str, Tensor], backbone: nn.Module) -> Fit:
    """Sort tensors by how they fit, and change those that can be made to.

    Args:
        tensors: By the backbone's names.
        backbone: The module that they are for; it stays as it is.
    """
    own: dict[str, Tensor] = backbone.state_dict()
    result = Fit()
    stems = [f"{name}.weight" for name in _stems(backbone)]
    for name, tensor in own.items():
        given = tensors.get(name)
        if given is None:
            if not name.endswith("num_batches_tracked"):  # files of torch before 0.4.1 have none
                result.missing.append(name)
        elif given.shape == tensor.shape:
            result.loaded[name] = given
        elif name in stems:
            _fit_stem(name, given, tensor, result)
        elif name.endswith("pos_embed") and (resampled := _resampled(given, tensor, backbone)):
            result.loaded[name], words = resampled
            result.notes.append(f"{name} is resampled {words}")
        else:
            result.misshapen.append(f"{name}: {list(given.shape)} there, {list(tensor.shape)} here")
    parts = {name.split(".")[0] for name in own}
    for name in (name for name in tensors if name not in own):
        first, *rest = name.split(".")
        if first in parts and not _HEADS.intersection(rest):
            result.unexpected.append(name)
        elif first not in result.left_out:
            result.left_out.append(first)
    if stems and stems[0].startswith("conv1."):
        _allow_another_stem(result)
    return result


def _stems(backbone: nn.Module) -> Iterator[str]:
    """Names of the convolutions that see the image: the first, and those that timm says."""
    modules = dict(backbone.named_modules())
    convolutions = (name for name, part in modules.items() if isinstance(part, nn.Conv2d))
    if (first := next(convolutions, None)) is None:
        return
    yield first
    known: Any = (getattr(backbone, "pretrained_cfg", None) or {}).get("first_conv") or ()
    names = [known] if isinstance(known, str) else known
    yield from (name for name in names if name != first and name in modules)


def _fit_stem(name: str, given: Tensor, own: Tensor, result: Fit) -> None:
    """A first convolution for other channels; of another kernel it stays at its random start."""
    shapes = f"{list(given.shape)} there, {list(own.shape)} here"
    if given.ndim != 4 or given.shape[0] != own.shape[0]:
        result.misshapen.append(f"{name}: {shapes}")
    elif given.shape[2:] != own.shape[2:]:
        result.notes.append(f"{name} starts at random ({shapes})")
    else:
        result.loaded[name] = _for_channels(given, own.shape[1])
        channels = f"{given.shape[1]} for {own.shape[1]} channels"
        result.notes.append(f"{name} is made of weights of {channels}")


def _for_channels(weight: Tensor, channels: int) -> Tensor:
    """A first convolution's weight for other channels; gray images give the same as before."""
    if weight.shape[1] == 3:
        return adapt_input_conv(channels, weight)
    return weight.sum(1, keepdim=True).div(channels).repeat(1, channels, 1, 1)


def _resampled(given: Tensor, own: Tensor, backbone: Any) -> tuple[Tensor, str] | None:
    """Position embeddings `[1, T, D]` for the backbone's grid, and between which; None if not."""
    grid = getattr(getattr(backbone, "patch_embed", None), "grid_size", None)
    if grid is None or given.ndim != 3 or given.shape[2] != own.shape[2]:
        return None
    prefix = own.shape[1] - math.prod(grid)
    edge = math.isqrt(max(given.shape[1] - prefix, 0))
    if edge == 0 or edge * edge != given.shape[1] - prefix:
        return None
    with torch.no_grad():
        resampled = resample_abs_pos_embed(given, list(grid), num_prefix_tokens=prefix)
    return resampled, f"from {edge}x{edge} to {grid[0]}x{grid[1]}"


def _allow_another_stem(result: Fit) -> None:
    """Let a ResNet's `conv1` of other layers, one for three or the reverse, start at random."""
    kinds = {"missing": result.missing, "unexpected": result.unexpected}
    if all(any(name.startswith("conv1.") for name in names) for names in kinds.values()):
        for kind, names in kinds.items():
            setattr(result, kind, [name for name in names if not name.startswith("conv1.")])
        result.notes.append("conv1 starts at random (the file's has other layers)")
