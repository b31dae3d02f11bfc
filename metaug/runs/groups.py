"""Runs that differ by seeds alone, together."""

from collections.abc import Sequence
from dataclasses import dataclass

from metaug.runs.differences import described, fewest, short_keys, telling
from metaug.runs.run import Run
from metaug.runs.settings import Settings, identity, is_housekeeping, is_seed
from metaug.runs.statistic import Statistic, statistic_of

_MOST_IN_A_LABEL = 3
Curve = dict[int, Statistic]
"""Mean and deviation over the runs of a group, by number of complete epochs."""


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seeds alone.

    Args:
        label: What tells the group from the others, in few words.
        runs: Its runs.

    Examples:
        >>> from pathlib import Path
        >>> series = [{"loss": {1: 3.0, 2: 1.0}}, {"loss": {1: 3.0, 2: 2.0}}]
        >>> runs = [Run(Path(f"runs/{seed}"), {}, series[seed]) for seed in (0, 1)]
        >>> group = Group("two seeds", runs)
        >>> group.at("loss", 2), group.epoch("loss")
        (Statistic(mean=1.5, deviation=0.7071067811865476, n=2, missing=0), 2)
    """

    label: str
    runs: list[Run]

    def epoch(self, name: str) -> int | None:
        """The last epoch at which any of the runs has a value of this name."""
        return max((epoch for run in self.runs for epoch in run.finite(name)), default=None)

    def at(self, name: str, epoch: int | None) -> Statistic:
        """A value after so many epochs, over the runs."""
        series = [run.series.get(name, {}) for run in self.runs]
        return statistic_of(None if epoch is None else each.get(epoch) for each in series)

    def best(self, name: str) -> Statistic:
        """The greatest value of each run, over the runs."""
        return statistic_of(run.best(name) for run in self.runs)

    def curve(self, name: str) -> Curve:
        """A series over the runs, by epochs."""
        epochs = sorted({epoch for run in self.runs for epoch in run.finite(name)})
        return {epoch: self.at(name, epoch) for epoch in epochs}

    def training_seconds(self, epoch: int) -> Statistic:
        """Training time until so many epochs were complete, over the runs."""
        return statistic_of(run.training_seconds.get(epoch) for run in self.runs)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Put runs of one setting together, in the order in which they come.

    Args:
        runs: Any runs.
    """
    by_setting: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        by_setting.setdefault(identity(run.settings), []).append(run)
    members = list(by_setting.values())
    firsts = [group[0].settings for group in members]
    keys = telling_apart(firsts)
    kept = keys if len(keys) <= _MOST_IN_A_LABEL else fewest(firsts, keys)
    names = short_keys(kept, [run.settings for run in runs])
    more = [f"+{len(keys) - len(kept)} more"] if len(kept) < len(keys) else []
    labels = [", ".join([*described(settings, kept, names), *more]) for settings in firsts]
    return [
        Group(label or group[0].folder.absolute().parent.name, group)
        for label, group in zip(labels, members, strict=True)
    ]


def telling_apart(several: Sequence[Settings]) -> list[str]:
    """Keys by which settings differ, but for seeds and what changes nothing that is learned.

    Args:
        several: The settings of some runs.
    """
    compared = [
        {key: value for key, value in settings.items() if not is_seed(key)} for settings in several
    ]
    return [key for key in telling(compared) if not is_housekeeping(key)]
