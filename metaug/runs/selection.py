"""Which runs are listed, and in what order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from metaug.runs.differences import shown
from metaug.runs.run import STATES, Run
from metaug.runs.words import score_names, short_score


def sorted_runs(runs: Sequence[Run], sort: str) -> tuple[list[Run], str]:
    """Runs by their last value of a series, or by `epoch`, `time`, `when` or `state`.

    Shares come highest first, other series lowest first; runs without the value come last.

    Args:
        runs: The runs.
        sort: A logged name, or a score as the table heads it (`kNN`).

    Returns:
        The runs, and the logged name that was meant, or nothing.

    Raises:
        ValueError: There is no such series.
    """
    if sort == "state":
        return sorted(runs, key=lambda run: run.state), ""
    plain: dict[str, Any] = {
        "epoch": lambda run: -run.epoch,
        "time": lambda run: -(run.seconds or 0),
        "when": lambda run: -(run.started or datetime.fromtimestamp(0, UTC)).timestamp(),
    }
    if sort in plain:
        return sorted(runs, key=plain[sort]), ""
    known = list(dict.fromkeys(name for run in runs for name in run.series))
    by_word = {short_score(name).lower(): name for name in reversed(known)}
    name = sort if sort in known else by_word.get(sort.lower(), "")
    if not name:
        choices = [*plain, "state", *known]
        similar = get_close_matches(sort, [*choices, *by_word], n=1)
        hint = f"did you mean {similar[0]!r}? " if similar else ""
        raise ValueError(f"--sort {sort}: {hint}runs can be sorted by {', '.join(choices)}")
    sign = -1 if name in score_names(runs) or "_top" in name else 1

    def place(run: Run) -> tuple[bool, float]:
        value = run.last(name)
        return value is None, sign * (value or 0.0)

    return sorted(runs, key=place), name


def filtered(runs: Sequence[Run], condition: str) -> list[Run]:
    """The runs that have a setting, such as `seed=0`, `generator=none` or `state=finished`.

    Args:
        runs: The runs.
        condition: A key, as short as it is without doubt, and its value as the table shows it.

    Raises:
        ValueError: It has no `=`, or no run has such a key, or the key means several, or there is
            no such state.
    """
    key, equals, value = condition.partition("=")
    if not equals:
        raise ValueError(f"--filter {condition}: give KEY=VALUE, such as seed=0")
    if key == "state":
        if value not in STATES:
            raise ValueError(f"--filter {condition}: a state is one of {', '.join(STATES)}")
        return [run for run in runs if run.state == value]
    known = {name for run in runs for name in run.settings}
    key = "seed_everything" if key == "seed" else key
    meant = {name for name in known if name == key} or {
        name for name in known if name.endswith(f".{key}")
    }
    if len(meant) != 1:
        similar = sorted(meant) or get_close_matches(key, known, n=3)
        hint = f"; did you mean {', '.join(similar)}?" if similar else ""
        raise ValueError(
            f"--filter {condition}: {'several settings are' if meant else 'no setting is'} "
            f"called {key!r}{hint}"
        )
    name = meant.pop()
    return [
        run for run in runs if name in run.settings and value.lower() in _forms(run.settings[name])
    ]


def _forms(value: Any) -> set[str]:
    """How a value may be written: a data module with and without the end of its name."""
    texts = {shown(value), str(value), "null" if value is None else shown(value)}
    return {text.lower() for text in texts | {text.removesuffix("DataModule") for text in texts}}
