"""Which of a file's tensors are a backbone's: the place, prefix and naming that match most."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .naming import namings

# names of networks that are moving averages of others, or have no gradient: the second choice
_AVERAGED = re.compile(r"(^|[._])(momentum|ema|averaged?|target|teacher|encoder_k|key)([._]|$)")
_COMPILED = "_orig_mod."


@dataclass(frozen=True)
class Match:
    """Tensors of a file under the names of a backbone.

    Attributes:
        prefix: What stands before those names in the file, with the place of its state dict.
        tensors: By the backbone's names, as far as it has them; others by their own.
        count: How many the backbone has too, of the same shape; names alone count for less than
            one of these together.
        notes: What is to be said of the naming.
    """

    prefix: str
    tensors: dict[str, Tensor]
    count: float
    notes: tuple[str, ...] = ()


def best_match(states: Mapping[str, Mapping[str, Tensor]], backbone: nn.Module) -> Match:
    """The part of a file of which most tensors are a backbone's, by name and shape.

    Of equal ones a network that was trained goes before its moving average, then the first.

    Args:
        states: State dicts by their place in the file, at least one.
        backbone: The module that the weights are for.
    """
    own = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    candidates = _candidates(states, own, backbone)
    return max(candidates, key=lambda match: (match.count, not _AVERAGED.search(match.prefix)))


def _candidates(
    states: Mapping[str, Mapping[str, Tensor]],
    own: Mapping[str, tuple[int, ...]],
    backbone: nn.Module,
) -> Iterator[Match]:
    for place, tensors in states.items():
        plain = {name.replace(_COMPILED, ""): tensor for name, tensor in tensors.items()}
        for prefix in _prefixes(plain):
            below = {
                name.removeprefix(prefix): tensor
                for name, tensor in plain.items()
                if name.startswith(prefix)
            }
            for naming in namings(backbone):
                renamed = {naming.rename(name): tensor for name, tensor in below.items()}
                same = sum(own.get(name) == tensor.shape for name, tensor in renamed.items())
                named = sum(name in own for name in renamed) / (len(own) + 1)
                where = f"{place}: {prefix}" if place and prefix else place or prefix
                yield Match(where, renamed, same + named, naming.notes)


def _prefixes(names: Mapping[str, Tensor]) -> list[str]:
    """All beginnings of names that end with a dot, and none; the shorter ones first."""
    prefixes = {"": None}
    for name in names:
        parts = name.split(".")
        prefixes |= {".".join(parts[:length]) + ".": None for length in range(1, len(parts))}
    return sorted(prefixes, key=lambda prefix: prefix.count("."))
