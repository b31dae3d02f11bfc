"""The error of an engine that cannot do what it is given."""

from collections.abc import Iterator
from contextlib import contextmanager


class EngineError(RuntimeError):
    """An engine cannot handle the encoder or setting; the message names one that can."""


_SIGNS = (
    "forward AD",
    "forward-mode",
    "jvp",
    "setup_context",
    "derivative",
    "does not require grad",
    "does not support",
    "double backward",
    "twice",
    "trying to differentiate",
)


@contextmanager
def explained(engine: str, needs: str) -> Iterator[None]:
    """Turn torch's complaints about missing derivatives into an :class:`EngineError`.

    Args:
        engine: Name of the engine at work.
        needs: What it needs of the encoder, in words.
    """
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if isinstance(error, EngineError) or not any(sign in str(error) for sign in _SIGNS):
            raise
        raise EngineError(
            f"engine {engine!r} needs {needs}, which this encoder does not offer "
            f"({str(error).splitlines()[0][:200]}). Use engine 'lookahead', which needs neither "
            "forward-mode nor second derivatives of the encoder"
        ) from error
