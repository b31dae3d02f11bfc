"""Other libraries' names of a backbone's weights, as the backbone calls them."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from torch import nn

_WITHOUT_RELU = (
    "the file's network, lightly's ResNet in an nn.Sequential, has no ReLU after bn1, this one has"
)
# torchvision's vision transformers and timm's are the same function under other names
_TORCHVISION_TRANSFORMER = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"^encoder\.ln\.", "norm."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
)


class Naming(NamedTuple):
    """How a library calls weights.

    Attributes:
        rename: From a name in the file to the backbone's own; others stay.
        notes: What a user must know of a network with such names.
    """

    rename: Callable[[str], str]
    notes: tuple[str, ...] = ()


def namings(backbone: nn.Module) -> list[Naming]:
    """Namings that may be a file's, the likeliest first.

    The names as they are (timm's, torchvision's and solo-learn's ResNets); children of an
    `nn.Sequential` by number, as lightly wraps a ResNet (`4.0.conv1.weight` for
    `layer1.0.conv1.weight`), with and without those that have no weights; and torchvision's vision
    transformers.

    Args:
        backbone: The module that the weights are for.
    """
    children = dict(backbone.named_children())
    weighty = [name for name, part in children.items() if next(part.parameters(), None) is not None]
    known = [Naming(lambda name: name)]
    if {"conv1", "bn1", "layer1"} <= children.keys():
        known.append(Naming(partial(_numbered, list(children))))
        known.append(Naming(partial(_numbered, weighty), (_WITHOUT_RELU,)))
    if {"patch_embed", "blocks"} <= children.keys():
        known.append(Naming(partial(_substituted, _TORCHVISION_TRANSFORMER)))
    return known


def _numbered(children: list[str], name: str) -> str:
    """A name that begins with the number of a child; lightly's ResNets also say `shortcut`."""
    number, _, rest = name.partition(".")
    if not number.isdigit() or int(number) >= len(children):
        return name
    return f"{children[int(number)]}.{rest}".replace(".shortcut.", ".downsample.")


def _substituted(patterns: Iterable[tuple[str, str]], name: str) -> str:
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name
