"""`--callbacks.KNNProbe.k 20`, `--callbacks.KNNProbe null`: changes of what stands in a list.

The parser changes the last entry of a list alone. Here an entry of `trainer.callbacks` is called by
its class or its `name`, and `--trainer.logger.<key>` is said to every logger that has it.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pydoc import locate
from typing import Any

import yaml

Entry = dict[str, Any]
_NULL = ("null", "None")


@dataclass(frozen=True)
class Change:
    """One argument that changes entries of a list.

    Args:
        flag: As typed, without its value.
        value: Its value, parsed.
    """

    flag: str
    value: Any


def take_changes(options: Sequence[str]) -> tuple[list[str], list[Change], list[Change]]:
    """Take the arguments that change entries out of the others.

    Args:
        options: What follows the command.

    Returns:
        The other options, the changes of callbacks and those of loggers.

    Raises:
        ValueError: One has no value.
    """
    others: list[str] = []
    callbacks: list[Change] = []
    loggers: list[Change] = []
    appends = any(option.startswith("--trainer.logger+") for option in options)
    remaining = list(options)
    while remaining:
        option = remaining.pop(0)
        flag, equals, text = option.partition("=")
        of_logger = flag.startswith("--trainer.logger.") and not appends and ".help" not in flag
        if not (flag.startswith("--callbacks.") or of_logger):
            others.append(option)
            continue
        if not equals:
            if not remaining or remaining[0].startswith("--"):
                raise ValueError(f"{flag} needs a value")
            text = remaining.pop(0)
        change = Change(flag, None if text in _NULL else _parsed(text))
        (loggers if of_logger else callbacks).append(change)
    return others, callbacks, loggers


def _parsed(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):  # YAML takes 1e-3 for text
        try:
            return float(value)
        except ValueError:
            return text
    return value


def change_callbacks(entries: list[Entry], changes: Sequence[Change]) -> list[Entry]:
    """The callbacks of a config with arguments changed and entries dropped.

    Args:
        entries: `{class_path, init_args}` each; changed in place.
        changes: `--callbacks.<class or name>[.<number>].<argument>`, or without an argument to drop
            the entry.

    Raises:
        ValueError: No entry, or more than one, is called so.

    Examples:
        >>> entries = [{"class_path": "a.KNNProbe", "init_args": {"k": 5}}, {"class_path": "b.Map"}]
        >>> changes = [Change("--callbacks.KNNProbe.k", 20), Change("--callbacks.Map", None)]
        >>> change_callbacks(entries, changes)
        [{'class_path': 'a.KNNProbe', 'init_args': {'k': 20}}]
    """
    for change in changes:
        name, *keys = change.flag.removeprefix("--callbacks.").split(".")
        called = [entry for entry in entries if name in _names(entry)]
        if keys and keys[0].isdigit() and int(keys[0]) < len(called):
            called = [called[int(keys.pop(0))]]
        if len(called) != 1:
            raise ValueError(_not_one(change, name, called, entries))
        keys = [key for key in keys if key != "init_args"]
        if keys:
            _set(called[0], keys, change.value)
        elif change.value is None:
            entries = [entry for entry in entries if entry is not called[0]]
        else:
            raise ValueError(
                f"{change.flag} null drops it, {change.flag}.<argument> changes it; got "
                f"{change.value!r}"
            )
    return entries


def _names(entry: Entry) -> tuple[str, ...]:
    own = (entry.get("init_args") or {}).get("name")
    return (entry["class_path"].rpartition(".")[2], *([own] if isinstance(own, str) else []))


def _not_one(change: Change, name: str, called: list[Entry], entries: list[Entry]) -> str:
    if called:
        own = [names[1] for names in map(_names, called) if len(set(names)) > 1]
        others = (
            own if len(set(own)) == len(called) else [f"{name}.{i}" for i in range(len(called))]
        )
        rest = change.flag.removeprefix(f"--callbacks.{name}")
        ways = " or ".join(f"--callbacks.{other}{rest}" for other in others)
        return f"{len(called)} callbacks are called {name}; say {ways}"
    known = [_names(entry)[0] for entry in entries]
    begin_so = [other for other in known if other.startswith(name)]
    similar = begin_so or get_close_matches(name, known, n=1)
    has = f"it has {', '.join(known) or 'none'}"
    hint = f"did you mean --callbacks.{similar[0]}?" if similar else has
    return f"{change.flag}: the config has no callback {name!r}; {hint}"


def change_loggers(entries: list[Entry], changes: Sequence[Change]) -> None:
    """Say to each logger, in place, what it has an argument for.

    Args:
        entries: `{class_path, init_args}` each.
        changes: `--trainer.logger.<argument>`.

    Raises:
        ValueError: No logger has such an argument.
    """
    for change in changes:
        keys = change.flag.removeprefix("--trainer.logger.").split(".")
        keys = [key for key in keys if key != "init_args"]
        takers = [entry for entry in entries if keys and keys[0] in _arguments(entry)]
        if not takers:
            known = dict.fromkeys(name for entry in entries for name in _arguments(entry))
            similar = get_close_matches(keys[0] if keys else "", known, n=1)
            hint = f"; did you mean --trainer.logger.{similar[0]}?" if similar else ""
            raise ValueError(f"{change.flag}: no logger of the config has that argument{hint}")
        for entry in takers:
            _set(entry, keys, change.value)


def _arguments(entry: Entry) -> list[str]:
    made = locate(entry["class_path"])
    return [*inspect.signature(made).parameters] if callable(made) else []


def _set(entry: Entry, keys: list[str], value: Any) -> None:
    node = entry
    for key in keys[:-1]:
        arguments = _arguments_of(node)
        if not isinstance(arguments.get(key), dict):  # null, say
            arguments[key] = {}
        node = arguments[key]
    _arguments_of(node)[keys[-1]] = value


def _arguments_of(node: Entry) -> Entry:
    if "class_path" not in node:
        return node
    node["init_args"] = node.get("init_args") or {}
    return node["init_args"]
