"""One run, as plain data."""

from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from metaug.runs.metrics_file import Series
from metaug.runs.settings import is_seed

STATES = ("finished", "running", "stopped", "killed", "failed", "silent", "unfinished")


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Args:
        folder: Its folder.
        settings: Its settings by short keys, as `settings_of` gives them.
        series: What it logged, by name and by number of complete epochs. A resumed run has the
            epochs of the one that it went on from too.
        state: One of `STATES`: `finished`; `running`; `stopped` by Ctrl-C or SIGTERM; `killed`, its
            process is gone without a word; `failed` by an error; `silent`, on another machine and
            without a sign of life for ten minutes; `unfinished`, a run of an earlier version that
            logged fewer epochs than it was to make, and none lately.
        epoch: Number of complete epochs.
        max_epochs: Number of epochs that it was to make, or None without a limit.
        started: When training began.
        seconds: How long it took until now, or its end; None if unknown.
        seconds_known: False where the seconds are those between two files, not the run's own word.
        training_seconds: The same by number of complete epochs, without validation and probes.
        command: What started it; empty if unknown.
        reason: Why it stopped or failed.
        resumed_from: The checkpoint that it went on from, or None.
        device: What it ran on; empty if unknown.
        version: The version of this package that it ran with; empty if unknown.
        problems: What could not be read of its folder.
        name_parts: How many parts of its folder its name has; more than two in a comparison of runs
            that these do not tell apart, such as trials of a sweep.

    Examples:
        >>> series = {"val/knn_top1": {1: 0.5, 2: 0.7, 3: 0.6}}
        >>> run = Run(Path("runs/digits/version_3"), {"seed_everything": 4}, series)
        >>> run.name, run.seeds, run.scores
        ('digits/version_3', {'seed_everything': 4}, ['val/knn_top1'])
        >>> run.last("val/knn_top1"), run.best("val/knn_top1")
        (0.6, 0.7)
    """

    folder: Path
    settings: dict[str, Any]
    series: dict[str, Series] = field(default_factory=dict)
    state: str = "unfinished"
    epoch: int = 0
    max_epochs: int | None = None
    started: datetime | None = None
    seconds: float | None = None
    seconds_known: bool = True
    training_seconds: Series = field(default_factory=dict)
    command: str = ""
    reason: str = ""
    resumed_from: str | None = None
    device: str = ""
    version: str = ""
    problems: tuple[str, ...] = ()
    name_parts: int = 2

    @property
    def name(self) -> str:
        """The last parts of its folder."""
        return "/".join(self.folder.absolute().parts[-self.name_parts :])

    @property
    def seeds(self) -> dict[str, Any]:
        """The settings that are seeds."""
        return {key: value for key, value in self.settings.items() if is_seed(key)}

    @property
    def scores(self) -> list[str]:
        """Names of the top-1 scores that it logged, `val/knn_top1` and their kin."""
        return [name for name in self.series if name.startswith("val/") and "_top1" in name]

    def finite(self, name: str) -> Series:
        """A series without what is no number; empty where there is none."""
        series = self.series.get(name, {})
        return {epoch: value for epoch, value in series.items() if isfinite(value)}

    def last(self, name: str) -> float | None:
        """The last finite value of a series, or None without one."""
        series = self.finite(name)
        return series[max(series)] if series else None

    def best(self, name: str) -> float | None:
        """The greatest finite value of a series, or None without one."""
        return max(self.finite(name).values(), default=None)
