"""Libraries that only some data need."""

from importlib import import_module
from typing import Any


def library(name: str, needed_by: str) -> Any:
    """Import a library that only some data need.

    Args:
        name: The module.
        needed_by: What needs it.

    Raises:
        ModuleNotFoundError: If it is not installed; says how to install it.
    """
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{needed_by} needs the package {package}, which is not installed: "
            f"pip install 'metaug[data]', or pip install {package}",
            name=error.name,
        ) from error
