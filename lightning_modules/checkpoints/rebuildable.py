"""Modules that remember how they were built, so that a checkpoint alone can build them again."""

import importlib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Self, get_args, get_type_hints

import numpy as np
import pytorch_lightning as pl
from lightning_fabric.utilities.cloud_io import _load
from torch import nn

from .earlier_versions import present_form
from .plain_data import plain_data
from .weights_to_come import weights_to_come

FOREIGN = "_foreign"
"""Under this name a checkpoint lists arguments that are modules of the user's own."""


class NotRebuildableError(TypeError):
    """A module does not keep its constructor's arguments.

    Args:
        kind: Name of its class.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} does not keep its constructor's arguments")
        self.kind = kind


class Rebuildable(nn.Module):
    """A module that keeps its constructor's arguments, for `constructor_config`.

    An encoder of your own that inherits from this (instead of `nn.Module`) makes checkpoints
    that `MetAug.load_from_checkpoint(path)` loads with nothing else given.

    Examples:
        >>> class Scale(Rebuildable):
        ...     def __init__(self, factor: float = 2.0) -> None:
        ...         super().__init__()
        >>> constructor_config(Scale())["init_args"]
        {'factor': 2.0}
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments; copies and unpickled objects take over those of their original."""
        module = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(module, *args, **kwargs)
        bound.apply_defaults()  # so that later defaults do not change what a checkpoint builds
        named = _parameters(cls)
        others = {name: value for name, value in kwargs.items() if name not in named}
        arguments = {name: bound.arguments[name] for name in named if name in bound.arguments}
        module.__dict__["_built_with"] = plain_data(arguments | others)
        return module


class RebuildableLightningModule(Rebuildable, pl.LightningModule):
    """A LightningModule whose checkpoint builds it again, on any path and in any process."""

    def keep_constructor_config(self, **replaced: Any) -> None:
        """Keep the constructor's arguments as hyper-parameters; call it once, in `__init__`.

        Args:
            replaced: Arguments to keep in place of those given, such as the network that was read
                from a path.
        """
        config: dict[str, Any] = {}
        foreign: dict[str, str] = {}
        for name, value in (self.__dict__["_built_with"] | replaced).items():
            try:
                config[name] = constructor_config(value)
            except NotRebuildableError as error:  # perhaps one within another
                inside = isinstance(value, Rebuildable)
                foreign[name] = f"{error.kind} in {type(value).__name__}" if inside else error.kind
        self.save_hyperparameters(config | ({FOREIGN: foreign} if foreign else {}))

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights, of float64 into float64: Lightning makes the module so only afterwards.

        Args:
            args: As for `torch.nn.Module.load_state_dict`.
            kwargs: Likewise.
        """
        if self._trainer is not None and self.trainer.precision == "64-true":
            self.double()
        return super().load_state_dict(*args, **kwargs)

    @property
    def hparams_initial(self) -> Any:
        """What loggers show: the constructor's arguments alone."""
        initial = super().hparams_initial
        initial.pop(FOREIGN, None)
        return initial

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **replaced: Any) -> Self:
        """Build the module again and load its weights.

        Args:
            checkpoint_path: The file.
            args: As for `LightningModule.load_from_checkpoint`.
            replaced: Arguments in place of those in the checkpoint, modules of your own, which a
                checkpoint cannot hold, and Lightning's `map_location`, `strict` and others.

        Raises:
            ValueError: If a module of your own is not given.
        """
        checkpoint = _load(checkpoint_path, map_location="cpu", weights_only=True)
        if hasattr(checkpoint_path, "seek"):
            checkpoint_path.seek(0)
        names = inspect.signature(super().load_from_checkpoint).parameters.keys() & replaced.keys()
        of_lightning = {name: replaced.pop(name) for name in names}
        arguments = read_arguments(cls, checkpoint.get("hyper_parameters", {}) | replaced)
        arguments |= of_lightning
        # objects already: Lightning's own way builds them by class paths as they were written
        return super().load_from_checkpoint(checkpoint_path, *args, **arguments, _instantiator=None)


def constructor_arguments(module: nn.Module) -> dict[str, Any]:
    """The constructor's arguments of a `Rebuildable`; nothing of another module."""
    return module.__dict__.get("_built_with", {})


def constructor_config(value: Any) -> Any:
    """Plain data from which `rebuild`, and LightningCLI, build `value` again.

    Args:
        value: A constructor argument: a component, a settings dataclass, a list, or plain data.

    Returns:
        `{"class_path": ..., "init_args": ...}` for a component, a dict for a dataclass, a list
        for a sequence; numbers of NumPy, and the containers of OmegaConf, as plain ones; anything
        else as it is.

    Raises:
        NotRebuildableError: For a module that does not inherit from `Rebuildable`.
    """
    if isinstance(value, Rebuildable):
        arguments = constructor_arguments(value).items()
        init_args = {name: constructor_config(argument) for name, argument in arguments}
        return {"class_path": public_path(type(value)), "init_args": init_args}
    if isinstance(value, nn.Module):
        raise NotRebuildableError(type(value).__name__)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: constructor_config(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: constructor_config(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [constructor_config(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, os.PathLike) else value


def public_path(kind: type) -> str:
    """The shortest import path of a class, which stays the same when files move."""
    names = kind.__module__.split(".")
    for length in range(1, len(names)):
        package = ".".join(names[:length])
        if getattr(sys.modules.get(package), kind.__name__, None) is kind and length > 1:
            return f"{package}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def rebuild(config: Any) -> Any:
    """The inverse of `constructor_config`, without weights.

    Args:
        config: Plain data; also of a checkpoint of an earlier version.

    Raises:
        ValueError: If a class cannot be found or is not Rebuildable.
    """
    if isinstance(config, list):
        return [rebuild(item) for item in config]
    if not (isinstance(config, dict) and "class_path" in config):
        return config
    class_path, arguments = present_form(config["class_path"], config.get("init_args") or {})
    module, _, name = class_path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"the checkpoint was made with the class {class_path}, which cannot be imported "
            f"({error}); make it importable, or give the module to load_from_checkpoint"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Rebuildable)):
        raise ValueError(f"{class_path} in the checkpoint is not a Rebuildable module")
    with weights_to_come():
        return kind(**read_arguments(kind, arguments))


def read_arguments(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    """A constructor's arguments from what a checkpoint holds of them.

    Args:
        kind: The class to build.
        config: Arguments by name: plain data, or objects to take as they are.

    Raises:
        ValueError: If a module of the user's own is not given.
    """
    parameters = _parameters(kind)
    missing = {name: of for name, of in config.get(FOREIGN, {}).items() if name not in config}
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in config:
            missing.setdefault(name, "a module")
    if missing:
        names = ", ".join(f"{name} ({of})" for name, of in missing.items())
        given = ", ".join(f"{name}=..." for name in missing)
        raise ValueError(
            f"the checkpoint does not hold {names}: only a Rebuildable module keeps how it was "
            f"built. Build it as it was, its weights are there: "
            f"{kind.__name__}.load_from_checkpoint(path, {given})"
        )
    hints = get_type_hints(kind.__init__)  # type: ignore[misc]
    arguments = {}
    for name, value in config.items():
        if name == FOREIGN or (name not in parameters and not _takes_others(kind)):
            continue
        settings: list[Any] = [hint for hint in _members(hints.get(name)) if is_dataclass(hint)]
        if isinstance(value, dict) and "class_path" not in value and settings:
            arguments[name] = settings[0](**value)
        else:
            arguments[name] = rebuild(value)
    return arguments


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The named parameters of a class's constructor."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {each.name: each for each in parameters if each.kind in named}


def _takes_others(kind: type) -> bool:
    """Whether a class's constructor has `**kwargs`."""
    parameters = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    return get_args(hint) or (hint,)
