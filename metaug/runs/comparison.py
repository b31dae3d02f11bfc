"""Runs side by side: in groups that differ by seeds alone, with means and deviations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metaug.runs.cautions import warnings_of
from metaug.runs.differences import MISSING, differing, short_keys, shown
from metaug.runs.find import read_runs
from metaug.runs.groups import Group, grouped, telling_apart
from metaug.runs.read import folder_before
from metaug.runs.run import Run
from metaug.runs.settings import identity, is_housekeeping, is_seed
from metaug.runs.words import score_names


@dataclass(frozen=True)
class Comparison:
    """What a comparison shows.

    Args:
        groups: The runs by setting, in the order in which they came.
        scores: Names of the top-1 scores that any has.
        series: Names of all else that at least two runs logged, or the only one.
        alone: Names that one of several runs logged, which are not drawn.
        common_epoch: The last epoch that all runs have scores of, or None.
        differing: By short key, the values of the groups; of components, only what does not follow
            from another one in the same place.
        following: By short key, the same of those that follow, such as the width of a generator
            that not all have.
        alike: By short key, the settings that are alike in all.
        housekeeping: By short key, how settings differ that change nothing that is learned.
        warnings: What a reader should know.
        unreadable: Folders that are no part of it, with the reason.

    Examples:
        >>> runs = [Run(Path(f"runs/{rate}"), {"model.lr": rate}) for rate in (0.1, 0.2)]
        >>> comparison = compare(runs)
        >>> comparison.differing, [group.label for group in comparison.groups]
        ({'lr': ['0.1', '0.2']}, ['lr=0.1', 'lr=0.2'])
    """

    groups: list[Group]
    scores: list[str]
    series: list[str]
    alone: list[str]
    common_epoch: int | None
    differing: dict[str, list[str]]
    following: dict[str, list[str]]
    alike: dict[str, str]
    housekeeping: dict[str, list[str]]
    warnings: list[str]
    unreadable: dict[Path, str]

    @property
    def runs(self) -> list[Run]:
        """All runs, by groups."""
        return [run for group in self.groups for run in group.runs]


def compare(runs: Sequence[Run | str | Path]) -> Comparison:
    r"""Compare runs.

    Args:
        runs: Runs that were read, folders of runs, folders that hold some, or patterns.

    Raises:
        ValueError: There are fewer than two runs.
        FileNotFoundError: There is no such folder.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for number, (seed, rate) in enumerate([(0, 0.1), (1, 0.1), (0, 0.2)]):
        ...         run = Path(folder) / f"version_{number}"
        ...         run.mkdir()
        ...         config = f"seed_everything: {seed}\nmodel: {{lr: {rate}}}\ntrainer: {{}}\n"
        ...         _ = (run / "config.yaml").write_text(config)
        ...         score = 0.5 + rate + 0.02 * seed
        ...         _ = (run / "metrics.csv").write_text(f"epoch,step,val/knn_top1\n0,9,{score}\n")
        ...     comparison = compare([folder])
        >>> comparison.differing
        {'lr': ['0.1', '0.2']}
        >>> for group in comparison.groups:
        ...     knn = group.at("val/knn_top1", 1)
        ...     print(f"{group.label}: {knn.mean:.2f} of {knn.n}")
        lr=0.1: 0.61 of 2
        lr=0.2: 0.70 of 1
    """
    read, unreadable = read_runs(each for each in runs if not isinstance(each, Run))
    known = [*(each for each in runs if isinstance(each, Run)), *read]
    known, parts = _without_parts(known)
    unreadable |= parts
    if len(known) < 2:
        reasons = [f"{folder}: {reason}" for folder, reason in unreadable.items()]
        found = known[0].name if known else "none"
        raise ValueError(
            "\n".join([f"a comparison needs at least two runs; found {found}", *reasons])
        )
    return _of(_named_apart(known), unreadable)


def _without_parts(runs: list[Run]) -> tuple[list[Run], dict[Path, str]]:
    """Without runs that another one of their setting went on from: they would count twice."""
    whole = {
        (folder_before(run.folder, run.resumed_from).resolve(), identity(run.settings)): run
        for run in runs
        if run.resumed_from is not None
    }
    by = [whole.get((run.folder.resolve(), identity(run.settings)), run) for run in runs]
    parts = {
        run.folder: f"{later.name} went on from it, and holds its epochs"
        for run, later in zip(runs, by, strict=True)
        if later is not run
    }
    return [run for run in runs if run.folder not in parts], parts


def _named_apart(runs: list[Run]) -> list[Run]:
    parts = max(len(run.folder.absolute().parts) for run in runs)
    choices = ([replace(run, name_parts=n) for run in runs] for n in range(2, parts))
    apart = (named for named in choices if len({run.name for run in named}) == len(runs))
    return next(apart, runs)


def _of(runs: list[Run], unreadable: dict[Path, str]) -> Comparison:
    groups = grouped(runs)
    every = [run.settings for run in runs]
    firsts = [group.runs[0].settings for group in groups]
    unlike = differing(every)
    telling = telling_apart(firsts)
    following = [
        key
        for key in unlike
        if key not in telling and not is_seed(key) and not is_housekeeping(key)
    ]
    scores = score_names(runs)
    others = [n for n in dict.fromkeys(n for run in runs for n in run.series) if n not in scores]
    shared = [name for name in others if sum(name in run.series for run in runs) > 1]
    return Comparison(
        groups=groups,
        scores=scores,
        series=shared,
        alone=[name for name in others if name not in shared],
        common_epoch=_common_epoch(runs, scores),
        differing=_values(telling, firsts, every),
        following=_values(following, firsts, every),
        alike={key: shown(every[0][key]) for key in every[0] if key not in unlike},
        housekeeping=_values([key for key in unlike if is_housekeeping(key)], every, every),
        warnings=warnings_of([group.runs for group in groups], scores),
        unreadable=unreadable,
    )


def _values(
    keys: list[str], columns: list[dict[str, Any]], every: list[dict[str, Any]]
) -> dict[str, list[str]]:
    """Rows of a table: by short key, what each column has."""
    names = short_keys(keys, every)
    return {
        names[key]: [shown(column[key]) if key in column else MISSING for column in columns]
        for key in keys
    }


def _common_epoch(runs: Sequence[Run], scores: Sequence[str]) -> int | None:
    """The last epoch at which every run that has a score has it."""
    epochs = [
        set.intersection(*([set(run.finite(name)) for run in runs if name in run.series]))
        for name in scores
    ]
    return max(set.intersection(*epochs), default=None) if epochs else None
