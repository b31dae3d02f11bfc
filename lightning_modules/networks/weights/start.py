"""Starting a backbone from a file of weights: all of it, or an error that says what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import nn

from .files import read_tensors
from .fit import Fit, fit
from .match import best_match

_SHOWN = 3


def start_from(backbone: nn.Module, path: str | Path) -> None:
    """Load a file's weights into a backbone, and say in a line what they are.

    Understood are the names of timm, torchvision, lightly, solo-learn, MoCo and of this project's
    checkpoints and exports, behind any prefix: that which makes most names match. Heads are left
    out. A first convolution for other channels is made of the file's as timm does it, position
    embeddings are resampled; a first convolution of another kernel stays at its random start.

    Args:
        backbone: The module.
        path: A file of safetensors or of `torch.save`, or the folder of an export.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it cannot be read, or is not of this backbone; the backbone stays as it was.
    """
    states = read_tensors(path)
    match = best_match(states, backbone)
    fitted = fit(match.tensors, backbone)
    fitted.notes += match.notes
    kind = (getattr(backbone, "pretrained_cfg", None) or {}).get("architecture")
    kind = kind or type(backbone).__name__
    if match.count < 1:
        theirs = list(next(iter(states.values())))
        raise ValueError(
            f"{path} holds no weights of {kind}: {_listed(theirs)} there, "
            f"{_listed(list(backbone.state_dict()))} here. Understood are the names of timm, "
            "torchvision's and lightly's ResNets, torchvision's vision transformers, solo-learn, "
            "MoCo and this project"
        )
    if reasons := _reasons(fitted):
        prefix = f" (names behind {match.prefix!r})" if match.prefix else ""
        raise ValueError(
            f"{path}{prefix} does not fit {kind}: {'; '.join(reasons)}. Set backbone, "
            "backbone_args and small_images to what the file was made with"
        )
    backbone.load_state_dict(backbone.state_dict() | fitted.loaded)
    rank_zero_info(_line(str(path), kind, match.prefix, fitted))


def _reasons(fitted: Fit) -> list[str]:
    """Why tensors are not a backbone's: nothing if they are."""
    kinds = {
        "missing in the file": fitted.missing,
        "in the file alone": fitted.unexpected,
        "of another shape": fitted.misshapen,
    }
    return [f"{len(names)} {words} ({_listed(names)})" for words, names in kinds.items() if names]


def _line(path: str, kind: str, prefix: str, fitted: Fit) -> str:
    behind = f" behind {prefix!r}" if prefix else ""
    left_out = [f"left out: {_listed(fitted.left_out)}"] if fitted.left_out else []
    facts = [f"{len(fitted.loaded)} tensors of {kind} from {path}{behind}"]
    return f"pretrained: {'; '.join([*facts, *fitted.notes, *left_out])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
