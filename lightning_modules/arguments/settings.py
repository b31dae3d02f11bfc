"""Settings, given as an object or as what it is made of."""

from collections.abc import Mapping
from typing import Any, TypeVar

Settings = TypeVar("Settings")


def read_settings(name: str, value: Any, kind: type[Settings]) -> Settings:
    """Settings of a kind.

    Args:
        name: Of the argument.
        value: The settings, or a mapping of them, as a configuration gives that names no class.
        kind: Their class.

    Raises:
        TypeError: If it is neither, or a mapping with a name that there is not.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        try:
            return kind(**value)
        except TypeError as error:
            raise TypeError(f"{name} has what {kind.__name__} does not take: {error}") from error
    factory = ": a factory, which a checkpoint could not keep" if callable(value) else ""
    raise TypeError(
        f"{name} must be {kind.__name__}(...) or a mapping of its arguments, got "
        f"{type(value).__name__}{factory}"
    )
