"""Modules that are built for a checkpoint's weights read no others at their start."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TO_COME = ContextVar("weights_to_come", default=False)


@contextmanager
def weights_to_come() -> Iterator[None]:
    """Build modules whose weights a checkpoint gives: where they started need not be there."""
    before = _TO_COME.set(True)
    try:
        yield
    finally:
        _TO_COME.reset(before)


def are_to_come() -> bool:
    """Whether a module that is built now gets its weights from a checkpoint."""
    return _TO_COME.get()
