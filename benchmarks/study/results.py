"""The results file: a line per finished run."""

import csv
import fcntl
import io
import json
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from .training import Budget

COLUMNS = (
    "row",
    "seed",
    "knn",
    "linear",
    "rank",
    "infonce",
    "attraction_ratio",
    "loss",
    "meta_gap",
    "cpu_seconds",
    "wall_seconds",
    "error",
    "date",
    "commit",
    "torch",
    "budget",
    "settings",
)


class Results:
    """A CSV file that several processes may append to.

    Args:
        path: The file; made when the first run ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """All lines, with `budget` and `settings` decoded and scores as numbers."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        return [
            line
            | {"seed": int(line["seed"])}
            | {name: json.loads(line[name]) for name in ("budget", "settings")}
            | {name: float(line.get(name) or "nan") for name in COLUMNS[2:11]}
            for line in lines
        ]

    def holds(self, seed: int, budget: Budget, settings: dict[str, Any]) -> bool:
        """Whether this very run is finished, whatever its row was called then."""
        wanted = (seed, asdict(budget), settings)
        names = ("seed", "budget", "settings")
        return any(tuple(line[name] for name in names) == wanted for line in self.read())

    def add(
        self, row: str, seed: int, budget: Budget, settings: dict[str, Any], scores: dict[str, Any]
    ) -> None:
        """Append a run in one write, so that a killed process leaves no half line."""
        line = {
            "row": row,
            "seed": seed,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "commit": commit(),
            "torch": torch.__version__,
            "budget": json.dumps(asdict(budget)),
            "settings": json.dumps(settings),
        } | {k: round(v, 4) if isinstance(v, float) else v for k, v in scores.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", newline="") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            columns = next(csv.reader(file), None)  # an older file keeps those it has
            text = io.StringIO()
            writer = csv.DictWriter(
                text, columns or COLUMNS, lineterminator="\n", extrasaction="ignore"
            )
            if columns is None:
                writer.writeheader()
            writer.writerow(line)
            file.write(text.getvalue())


def commit() -> str:
    """The commit of the code, with a + if it was changed since."""
    root = Path(__file__).parents[2]
    code = ("lightning_modules", "callbacks", "datamodules")
    parts = (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", *code])
    head, changes = (
        subprocess.run(["git", *part], cwd=root, capture_output=True, text=True).stdout.strip()
        for part in parts
    )
    return head + ("+" if changes else "")
