"""Components that remember how they were built, so that a checkpoint can build them again."""

import inspect
from dataclasses import asdict, is_dataclass
from typing import Any, Self

from torch import nn


class Rebuildable(nn.Module):
    """A module that keeps its constructor's arguments, for :func:`recipe`.

    An encoder of your own that inherits from this (instead of ``nn.Module``) makes checkpoints
    that ``MetAug.load_from_checkpoint(path)`` loads with nothing else given.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments; copies and unpickled objects take over those of their original."""
        module = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(module, *args, **kwargs).arguments
        names = list(bound)[1:]
        module.__dict__["_built_with"] = {name: bound[name] for name in names}
        return module


def recipe(value: Any) -> Any:
    """Plain data from which LightningCLI can build ``value`` again.

    Args:
        value: A constructor argument: a component, a settings dataclass, a list, or plain data.

    Returns:
        ``{"class_path": ..., "init_args": ...}`` for a component, a dict for a dataclass, a list
        for a sequence; anything else as it is.

    Raises:
        TypeError: For a module that does not inherit from :class:`Rebuildable`.
    """
    if isinstance(value, Rebuildable):
        kind = type(value)
        arguments = {name: recipe(each) for name, each in value.__dict__["_built_with"].items()}
        return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": arguments}
    if isinstance(value, nn.Module):
        raise TypeError(f"{type(value).__name__} does not keep its constructor's arguments")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [recipe(each) for each in value]
    return value


def settings_as_dicts(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments with every settings dataclass as a dict, which is how a recipe holds it."""
    return {
        name: recipe(value) if is_dataclass(value) else value for name, value in arguments.items()
    }
