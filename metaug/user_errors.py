"""Tell a user's mistake, which gets a short message, from a bug, which keeps its traceback."""

import dis
import inspect
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pydoc import locate
from types import TracebackType

_LIBRARIES = ("pytorch_lightning", "lightning_fabric", "lightning", "jsonargparse")
_LIBRARY_ERRORS = (ValueError, LookupError, TypeError, NotImplementedError, ImportError, OSError)
_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes: |Errors:|Given value type: "
    r"|Expected a <class 'NoneType'>|Expected a path but )"
)
_WORKER = re.compile(r"^Caught (\w+) in DataLoader worker process \d+\.\nOriginal Traceback", re.M)


def explain(error: BaseException) -> str | None:
    """What to tell the user about an error.

    A mistake of the user's is an argument that the parser refuses, a file that cannot be read, or
    an error raised on purpose (by a `raise` statement) in MetAug or in Lightning.

    Args:
        error: The exception that ended the command.

    Returns:
        A short message, or None where the error is a bug that needs its traceback.
    """
    root = _root(error)
    if type(error).__name__ == "ArgumentError":
        return _parser_message(str(error))
    if isinstance(root, OSError) and root.filename is not None:
        return f"{root.filename}: {root.strerror}"
    if (from_worker := _worker_message(root)) is not None:
        return from_worker
    if type(root).__name__ == "MisconfigurationException":
        return str(root)
    if _raised_on_purpose(root):
        text = root.args[0] if isinstance(root, KeyError) and root.args else root
        return str(text)
    return None


def _root(error: BaseException) -> BaseException:
    """The error that jsonargparse found while it built an object, below its own wrapping."""
    while error.__cause__ is not None and _module_of(error).startswith("jsonargparse"):
        error = error.__cause__
    return error


def _innermost(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _module_of(error: BaseException) -> str:
    trace = _innermost(error)
    return str(trace.tb_frame.f_globals.get("__name__", "")) if trace else ""


def _raised_on_purpose(error: BaseException) -> bool:
    trace, package = _innermost(error), _module_of(error).partition(".")[0]
    ours = package == "metaug" and not isinstance(error, AssertionError)
    theirs = package in _LIBRARIES and isinstance(error, _LIBRARY_ERRORS)
    return trace is not None and (ours or theirs) and _is_raise_statement(trace)


def _is_raise_statement(trace: TracebackType) -> bool:
    return any(
        instruction.offset == trace.tb_lasti and instruction.opname == "RAISE_VARARGS"
        for instruction in dis.get_instructions(trace.tb_frame.f_code)
    )


def _worker_message(error: BaseException) -> str | None:
    """The message of an error raised on purpose in a DataLoader worker, whose traceback is text."""
    text = str(error)
    if (caught := _WORKER.match(text)) is None:
        return None
    frames = list(re.finditer(r'^  File "([^"]+)", line \d+, in .*\n    (.*)$', text, re.M))
    last_error = re.search(rf"^(?:\w+\.)*{caught[1]}: (.*)", text[frames[-1].end() :], re.M | re.S)
    on_purpose = frames[-1][2].startswith("raise ") and _is_ours(frames[-1][1])
    return last_error[1].strip() if last_error and on_purpose else None


def _is_ours(file: str) -> bool:
    import metaug

    rooms = {"metaug", *metaug._ROOMS}
    return bool(rooms & set(file.replace("\\", "/").split("/")[:-1][-2:]))


def _parser_message(text: str) -> str:
    """The parser's tree of refused alternatives in one line: which key, what was wrong."""
    keys: list[str] = []
    wrong: list[str] = []
    owner = given = ""
    for line in text.splitlines():
        words = line.strip().removeprefix("- ")
        if key := re.fullmatch(r'Parser key "(.+)":', words):
            keys.append(key[1])
        elif problem := re.fullmatch(r"Problem with given class_path '(.+)':", words):
            owner = problem[1]
        elif words.startswith("Given value: "):
            given = words.removeprefix("Given value: ")
        elif words and not _NOISE.match(words) and words not in wrong:
            wrong.append(words)
    where = f"{'.'.join(keys)}: " if keys else ""
    message = re.sub(r"<class '(?:builtins\.)?([\w.]+)'>", r"\1", "; ".join(wrong) or text)
    if given and not owner and given not in message:
        message = f"{message}, got {given}"
    message = where + message.replace("a typing.Literal", "one of ")
    return message + _hint(message, owner)


def _hint(message: str, owner: str) -> str:
    """What the user probably meant, for the messages that a typing error brings about."""
    if "required: " in message and message.endswith((".model", ".data")):
        return "; give a config, such as `--config digits.yaml` (`metaug configs` lists them)"
    if missing := re.fullmatch(r"(\w+): the following arguments are required: (\w+)", message):
        return f"; give it as --{missing[1]}.init_args.{missing[2]}=..."
    refused = re.search(r"(?:ption '|arguments: --)([\w.+]+)", message)
    if refused is not None:
        name = refused[1].rpartition(".")[2]
        known = sorted(set(_options(owner)))
        begins_so = [option for option in known if name and option.startswith(name)]
        close = begins_so or get_close_matches(name, known, n=1)
        if close:
            return f"; did you mean {close[0]!r}?"
        return f"; {owner} takes {', '.join(known)}" if owner and known else ""
    lacking = re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message)
    if lacking is not None:
        close = get_close_matches(lacking[2], dir(locate(lacking[1])), n=1)
        return f"; did you mean {lacking[1]}.{close[0]}?" if close else ""
    return ""


def _options(owner: str) -> Iterator[str]:
    """The options of a class and of the dataclasses among them; of the trainer without a class."""
    found = locate(owner or "pytorch_lightning.Trainer")
    if not callable(found):
        return
    for name, parameter in inspect.signature(found).parameters.items():
        yield name
        yield from getattr(parameter.annotation, "__dataclass_fields__", ())
