"""Tensors of a file, whatever trained them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..backbone import first_line
from ..exported_backbone import WEIGHTS

SAFETENSORS = ".safetensors"
PICKLED = (".pth", ".pt", ".ckpt", ".bin", ".tar")
_OBJECT = re.compile(r"GLOBAL (\S+)")  # how torch names what it does not build


def read_tensors(path: str | Path) -> dict[str, dict[str, Tensor]]:
    """All named tensors of a file, by where they stand in it.

    Args:
        path: A file of safetensors or of `torch.save`, or the folder of an export.

    Returns:
        State dicts by their place, such as `state_dict`; the place of a file that is one itself is
        empty.

    Raises:
        FileNotFoundError: If there is no such file, or no weights in the folder.
        ValueError: If it cannot be read, needs to run Python code, or holds no tensors.
    """
    file = _find(Path(path).expanduser())
    content = _load_safetensors(file) if file.suffix == SAFETENSORS else _unpickle(file)
    tensors = dict(_state_dicts(content, ""))
    if not tensors:
        raise ValueError(
            f"{file} holds no tensors by name; give a file of weights: a state dict, or a "
            "checkpoint that has one"
        )
    return tensors


def _find(path: Path) -> Path:
    if path.is_dir():
        if (path / WEIGHTS).is_file():
            return path / WEIGHTS
        raise FileNotFoundError(
            f"the folder {path} has no {WEIGHTS}, so it is no export; give the folder that the "
            "callback Export wrote (runs/<name>/<version>/export), or a file"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {str(path)!r} of weights to start from; pretrained takes the path "
            f"of a file ({', '.join((SAFETENSORS, *PICKLED))}) or of an export's folder that is on "
            "this machine, or true for timm's own weights"
        )
    return path


def _load_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{file} is no whole file of safetensors ({first_line(error)}); fetch or export it "
            "again"
        ) from error


def _unpickle(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if (kind := _OBJECT.search(str(error))) is not None:
            raise ValueError(
                f"{file} holds Python objects beside tensors ({kind[1]}), and reading those runs "
                "code that stands in the file. If you trust it, write its tensors to another file, "
                "and give that:\n"
                f"    import torch\n"
                f"    content = torch.load({str(file)!r}, map_location='cpu', weights_only=False)\n"
                "    torch.save(content['state_dict'], 'weights.pth')  # or where its tensors stand"
            ) from error
        is_other = isinstance(error, UnpicklingError | KeyError)
        reason = "it is no file of torch.save" if is_other else first_line(error)
        raise ValueError(
            f"{file} cannot be read as weights ({reason}); give a state dict or a checkpoint that "
            "torch.save wrote, or safetensors"
        ) from error


def _state_dicts(content: Any, place: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Mappings from names to tensors, the content itself or anywhere in it."""
    if not isinstance(content, Mapping):
        return
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    for name, value in named.items():
        yield from _state_dicts(value, f"{place}.{name}" if place else name)
