"""Reading an exported backbone: a folder with `config.json` and `model.safetensors`."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import load_file
from torch import nn

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_LINE = re.compile(r"model\.(?P<path>\w+(?:\.\w+|\[\d+\])*) = (?P<value>.+)")
_LAYERS = {"Conv2d": nn.Conv2d, "Identity": nn.Identity}


def read_exported(folder: str | Path) -> nn.Module:
    """Build the backbone that ``Export`` wrote and load its weights strictly.

    Args:
        folder: The folder of ``config.json`` and ``model.safetensors``.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If the export does not say a timm architecture, or its weights do not fit.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}, so it is no exported backbone; give the folder that "
                "the callback Export wrote (runs/<name>/<version>/export), or a checkpoint"
            )
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    architecture = config.get("architecture")
    if not architecture or not timm.is_model(architecture):
        raise ValueError(
            f"{folder / CONFIG} names the architecture {architecture!r}, which timm does not know; "
            "build the module in Python, load its weights, and pass it as backbone"
        )
    arguments = {name: _tuples(value) for name, value in config.get("model_args", {}).items()}
    backbone = timm.create_model(architecture, num_classes=0, **arguments)
    change_stem(backbone, config.get("stem") or "")
    try:
        backbone.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise ValueError(
            f"{folder / WEIGHTS} does not fit timm's {architecture} with {arguments} ({error}); "
            "export the backbone again"
        ) from error
    return backbone


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def change_stem(model: nn.Module, lines: str) -> None:
    """Do what the lines of an exported ``stem`` say, and nothing else that Python could do.

    Args:
        model: The model to change.
        lines: Lines ``model.<path>.stride = (1, 1)``, ``model.<path> = nn.Conv2d(...)`` and
            ``model.<path> = nn.Identity()``, with plain numbers and booleans as arguments; the path
            is one such as ``conv1`` or ``stem[0].conv``.

    Raises:
        ValueError: For any other line.
    """
    for line in filter(None, map(str.strip, lines.splitlines())):
        found = _LINE.fullmatch(line)
        try:
            if found is None:
                raise ValueError("it is no assignment to a part of the model")
            path = re.sub(r"\[(\d+)\]", r".\1", found["path"])
            owner, _, name = path.rpartition(".")
            parent: Any = model.get_submodule(owner)
            if not hasattr(parent, name):
                raise ValueError(f"the model has no {found['path']}")
            setattr(parent, name, _value(found["value"]))
        except (ValueError, SyntaxError, AttributeError, TypeError) as error:
            raise ValueError(
                f"cannot change the stem of an exported backbone by {line!r} ({error}); export the "
                "backbone again, or build it in Python"
            ) from error


def _value(text: str) -> Any:
    tree = ast.parse(text, mode="eval").body
    if not isinstance(tree, ast.Call):
        return ast.literal_eval(tree)
    called = tree.func
    if not isinstance(called, ast.Attribute) or called.attr not in _LAYERS:
        raise ValueError(f"only {', '.join(_LAYERS)} may stand there")
    positional = [ast.literal_eval(each) for each in tree.args]
    named = {each.arg or "": ast.literal_eval(each.value) for each in tree.keywords}
    return _LAYERS[called.attr](*positional, **named)
