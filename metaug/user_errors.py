"""What the command line says on stderr: a user's error in a few lines, a warning in one.

An error is the user's by its class, such as a ValueError; all others are taken for bugs and keep
their traceback.
"""

import os
import re
import warnings
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import contextmanager

from metaug.parser_errors import below_the_parser, parser_message

# By name, for torch is not imported here and Lightning has its classes twice (lightning_alias).
USER_ERRORS = frozenset(
    {
        "EngineError",
        "ImportError",
        "MisconfigurationException",
        "NonFiniteLossError",
        "NotImplementedError",
        "OSError",
        "TypeError",
        "ValueError",
    }
)
# Errors of a class that bugs have too, by what they say, with what to do
_TOLD_BY_MESSAGE = {
    "not enough memory|allocate memory|out of memory|bad_alloc": (
        "a smaller --data.batch_size, or --model.micro_batch_size, needs less memory"
    ),
    "PytorchStreamWriter failed|No space left on device|File too large": (
        "make room on the disk, or move the run: --trainer.default_root_dir FOLDER"
    ),
    "Early stopping conditioned on metric": "monitor a score that is logged in every validation",
    "api_key not configured|wandb login": (
        "log in by `wandb login`, or set WANDB_MODE=offline or WANDB_MODE=disabled"
    ),
}
MAX_LINES = 12
_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.\n")


def explain(error: BaseException) -> str | None:
    """What to tell the user about an error.

    Args:
        error: The exception that ended the command.

    Returns:
        A message of at most `MAX_LINES` lines, or None for a bug, which needs its traceback.
    """
    if isinstance(error, ArgumentError):
        return parser_message(str(error))
    error = below_the_parser(error)
    message = _message(error).strip()
    hint = _hint(error, message)
    if not (message and _is_user_error(error)) and hint is None:
        return None
    if hint is not None:
        message = f"{message or type(error).__name__}\n{hint}"
    lines = message.splitlines()
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [f"... ({len(lines) - MAX_LINES + 1} more lines)"]
    return "\n".join(lines)


def _hint(error: BaseException, message: str) -> str | None:
    if isinstance(error, MemoryError):
        message = "out of memory"
    for pattern, hint in _TOLD_BY_MESSAGE.items():
        if isinstance(error, Exception) and re.search(pattern, message):
            return hint
    return None


def how_to_trace(error: BaseException) -> str:
    """One line that says how to see where an explained error was raised."""
    return f"METAUG_TRACEBACK=1 shows where this {type(error).__name__} was raised"


def _is_user_error(error: BaseException) -> bool:
    names = {each_class.__name__ for each_class in type(error).__mro__}
    # Lightning raises a KeyError of a sentence where a checkpoint lacks what was asked for
    return not names.isdisjoint(USER_ERRORS) or (
        isinstance(error, KeyError) and _message(error).endswith(".")
    )


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    if (caught := _WORKER.match(text)) is None:
        return text
    # a worker's traceback is text, whose last lines are the class and the message
    return re.split(rf"^(?:\w+\.)*{caught[1]}: ", text, flags=re.M)[-1]


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
    """Print warnings by `warning_line`; METAUG_TRACEBACK=1 leaves them as they are.

    Filters that are set inside end with it.
    """
    before = warnings.formatwarning
    if not os.environ.get("METAUG_TRACEBACK"):
        warnings.formatwarning = warning_line
    try:
        with warnings.catch_warnings():
            yield
    finally:
        warnings.formatwarning = before
