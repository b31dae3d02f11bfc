"""The records of one or several runs, as a report reads them: the latest of each task."""

from pathlib import Path
from typing import Any

from ..records import read

Record = dict[str, Any]


class Results:
    """What was measured, by part and task; a task that was run again counts by its latest record.

    Args:
        out: Folder of the results; None for no results.
    """

    def __init__(self, out: Path | None) -> None:
        self.records = [] if out is None else read(out)
        self.latest: dict[tuple[str, str], Record] = {}
        self.epochs: list[Record] = []
        self._left_out: list[tuple[str, list[str]]] = []
        for record in self.records:
            key = (record["part"], record.get("task", ""))
            if "epoch" in record:
                self.epochs.append(record)
            elif record.get("left out"):
                self._left_out.append((record["part"], record["left out"]))
            else:
                self.latest[key] = record

    def get(self, part: str, task: str, *keys: str) -> Any:
        """What a task measured, or a value inside; None if it was not measured.

        Args:
            part: Of the benchmark.
            task: Of the part.
            keys: From the record inwards.
        """
        value: Any = self.latest.get((part, task))
        if value is None or not value.get("ok", True):
            return None
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def number(self, part: str, task: str, *keys: str) -> float | None:
        """A number that a task measured, or None."""
        value = self.get(part, task, *keys)
        return float(value) if isinstance(value, int | float) else None

    @property
    def failures(self) -> list[Record]:
        """The latest records of tasks that failed."""
        return [record for record in self.latest.values() if not record.get("ok", True)]

    @property
    def left_out(self) -> list[str]:
        """Tasks for which there was no time, by part, if no later run measured them."""
        lines = []
        for part, tasks in self._left_out:
            missing = [task for task in tasks if (part, task) not in self.latest]
            lines += [f"{part}: {', '.join(missing)}"] if missing else []
        return list(dict.fromkeys(lines))

    @property
    def gpu(self) -> str | None:
        """Name of the GPU; None if there was none."""
        return self.get("env", "facts", "gpu")
