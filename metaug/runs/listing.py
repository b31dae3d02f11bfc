"""Runs as a table of the terminal, and as a CSV."""

import csv
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from metaug.runs.differences import short_keys, shown
from metaug.runs.run import Run
from metaug.runs.words import (
    differences,
    different,
    duration,
    epochs,
    percent,
    purpose,
    score_names,
    short_score,
    took,
    when,
)

_COLORS = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red"}
_ROOM_FOR_SETTINGS = 45
_SHORTEST_NAME = 12


def print_runs(
    console: Console, runs: Sequence[Run], unreadable: dict[Path, str], top: Path, sort: str = ""
) -> None:
    """Print a line for each run, and beside or below it what it is of and how it differs.

    Args:
        console: Whose width decides.
        runs: The runs, in order.
        unreadable: Folders that are named below, each with the reason.
        top: The folder that names are relative to.
        sort: The score by which the runs are sorted, whose columns come first.
    """
    scores = score_names(runs)
    scores = sorted(scores, key=lambda name: name != sort) if sort in scores else scores
    for shown_scores, digits in _layouts(scores):
        head, rows = _cells(runs, top, shown_scores, digits)
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        taken = sum(widths) + 2 * (len(widths) - 1)
        if taken <= console.width:
            break
    if taken > console.width:  # the end of a long path tells more than its beginning
        widths[0] = max(_SHORTEST_NAME, widths[0] - (taken - console.width))
        rows = [[_end(row[0], widths[0]), *row[1:]] for row in rows]
    beside = console.width - taken >= _ROOM_FOR_SETTINGS
    console.print(_line(head, widths) + ("  what differs" if beside else ""), style="bold")
    for run, row, words in zip(runs, rows, differences(runs), strict=True):
        line = Text(_line(row, widths))
        line.stylize(_COLORS.get(run.state, ""), len(line) - widths[-1])
        below = [f"{' · '.join([purpose(run), *words])}", *_notes(run)]
        indent = taken + 2 if beside else 4
        lines = [
            part
            for text in below
            for part in textwrap.wrap(text, console.width - indent, max_lines=3)
        ]
        if beside and lines:
            line.append("  " + lines.pop(0), style="dim")
        console.print(line, soft_wrap=True)
        for part in lines:
            console.print(Text(" " * indent + part, style="dim"), soft_wrap=True)
    for folder, reason in unreadable.items():
        console.print(Text(f"not listed: {_relative(folder, top)}: {reason}", style="yellow"))


def _end(name: str, width: int) -> str:
    return name if len(name) <= width else "…" + name[1 - width :]


def _layouts(scores: list[str]) -> Iterator[tuple[list[str], int]]:
    """What to try, from wide to narrow: fewer scores down to two, then a digit less, then one."""
    for count in range(len(scores), 1, -1):
        yield scores[:count], 2
    yield scores[:2], 1
    yield scores[:1], 2
    yield scores[:1], 1


def _cells(
    runs: Sequence[Run], top: Path, scores: list[str], digits: int
) -> tuple[list[str], list[list[str]]]:
    head = ["run", "epoch"]
    for name in scores:
        head += [short_score(name), "best"]
    rows = []
    for run in runs:
        row = [_relative(run.folder, top), epochs(run)]
        for name in scores:
            row += [percent(value, digits) for value in (run.last(name), run.best(name))]
        rows.append([*row, took(run), when(run.started), run.state])
    return [*head, "time", "when", "state"], rows


def _line(cells: list[str], widths: list[int]) -> str:
    last = len(cells) - 1
    parts = [
        cell.ljust(width) if column in (0, last) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts)


def _notes(run: Run) -> list[str]:
    reason = [f"{run.state}: {run.reason}"] if run.reason else []
    return reason + [f"note: {problem}" for problem in run.problems]


def _relative(folder: Path, top: Path) -> str:
    return (
        str(folder.relative_to(top))
        if folder != top and folder.is_relative_to(top)
        else str(folder)
    )


def write_csv(runs: Sequence[Run], file: Path) -> None:
    """Write a row for each run: all scores, last and best, and every setting that differs.

    Args:
        runs: The runs.
        file: Where to.
    """
    scores = score_names(runs)
    keys = different(runs)
    names = short_keys(keys, [run.settings for run in runs])
    columns = ["run", "of", "state", "epoch", "max_epochs", "started", "seconds"]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        ends = [f"{name} {kind}" for name in scores for kind in ("last", "best")]
        writer.writerow([*columns, *ends, *(names[key] for key in keys), "command", "reason"])
        for run in runs:
            started = run.started.isoformat(timespec="seconds") if run.started else ""
            seconds = "" if run.seconds is None else round(run.seconds, 1)
            values = [value for name in scores for value in (run.last(name), run.best(name))]
            settings = [shown(run.settings[key]) if key in run.settings else "" for key in keys]
            row = [run.folder, purpose(run), run.state, run.epoch, run.max_epochs, started, seconds]
            writer.writerow([*row, *values, *settings, run.command, run.reason])


def total(runs: Sequence[Run]) -> str:
    """How many runs there are, of which states, and how long they took in all."""
    states = [
        f"{sum(run.state == s for run in runs)} {s}" for s in dict.fromkeys(r.state for r in runs)
    ]
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    if not runs:
        return count
    return f"{count}: {', '.join(states)}; {duration(sum(r.seconds or 0 for r in runs))} in all"
