"""Warnings as one line for people who did not write the code that warns."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def warning_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """The message alone, without the file and the line that warned; as `warnings.formatwarning`."""
    return f"metaug: warning: {message}\n"


@contextmanager
def warning_lines() -> Iterator[None]:
    """Print warnings by `warning_line`; METAUG_TRACEBACK=1 leaves them as they are."""
    before = warnings.formatwarning
    if not os.environ.get("METAUG_TRACEBACK"):
        warnings.formatwarning = warning_line
    try:
        yield
    finally:
        warnings.formatwarning = before
