"""A run's `metrics.csv`, as Lightning's CSVLogger writes it, by epochs."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILE = "metrics.csv"
Series = dict[int, float]
"""Values by the number of epochs that are complete: 1 after the first."""


@dataclass
class Metrics:
    """What a run logged.

    Args:
        series: By name. Of what is logged in training, `train/...`, the mean over an epoch's logged
            steps; of all else the last value in the epoch.
        step: The last step that was logged, as the logger counts, or None.
        problem: What could not be read, or nothing.
    """

    series: dict[str, Series] = field(default_factory=dict)
    step: int | None = None
    problem: str = ""


def read_metrics(folder: Path) -> Metrics:
    """Read what can be read: a file may be broken, or just being written.

    Args:
        folder: The run's folder.
    """
    metrics = Metrics()
    try:
        with (folder / FILE).open(encoding="utf-8", errors="replace", newline="") as file:
            _read(csv.reader(_whole(file)), metrics)
    except FileNotFoundError:
        metrics.problem = f"no {FILE}"
    except (OSError, csv.Error) as error:
        metrics.problem = f"{FILE} cannot be read: {error}"
    return metrics


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """The lines, but for what is being written, and what a crash of the machine leaves: zeros."""
    for line in lines:
        yield line if line.endswith("\n") and "\0" not in line else "broken\n"


def _read(rows: Iterator[list[str]], metrics: Metrics) -> None:
    head = next(rows, [])
    if "epoch" not in head or "step" not in head:
        metrics.problem = (
            f"{FILE} has no columns `epoch` and `step`" if head else f"{FILE} is empty"
        )
        return
    at_epoch, at_step = head.index("epoch"), head.index("step")
    columns = [
        (column, name, name.startswith("train/"))
        for column, name in enumerate(head)
        if column not in (at_epoch, at_step) and name and not name.startswith("lr-")
    ]
    counts: dict[tuple[str, int], int] = {}
    broken = 0
    for row in rows:
        if not row:
            continue
        try:
            step, text = int(row[at_step]), row[at_epoch]
            epoch = int(float(text)) + 1 if text else None
            values = [
                (name, float(row[column]), averaged)
                for column, name, averaged in columns
                if row[column]
            ]
        except (ValueError, IndexError):
            broken += 1
            continue
        metrics.step = step
        if epoch is None:
            continue
        for name, value, averaged in values:
            series = metrics.series.setdefault(name, {})
            if averaged and epoch in series:
                count = counts[name, epoch] = counts.get((name, epoch), 1) + 1
                value = series[epoch] + (value - series[epoch]) / count
            series[epoch] = value
    if broken:
        metrics.problem = f"{broken} broken row(s) of {FILE} are left out"
