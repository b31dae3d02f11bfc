"""What a reader of a comparison should know before comparing its numbers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from metaug.runs.differences import shown, telling
from metaug.runs.run import Run
from metaug.runs.settings import is_data, is_measure
from metaug.runs.words import short_score


def warnings_of(groups: Sequence[Sequence[Run]], scores: Sequence[str]) -> list[str]:
    """One sentence for each thing that makes numbers hard to compare.

    Args:
        groups: Runs that differ by seeds alone, together.
        scores: Names of the scores that any run has.
    """
    runs = [run for group in groups for run in group]
    return [
        *_of_other_data(runs),
        *_measured_otherwise(runs),
        *_unequal_epochs(runs, scores),
        *_incomplete(runs),
        *_same_seeds(groups),
        *_losses(runs),
        *(f"{run.name}: {problem}" for run in runs for problem in run.problems),
    ]


def _of_other_data(runs: Sequence[Run]) -> Iterator[str]:
    keys = [key for key in telling([run.settings for run in runs]) if is_data(key)]
    if keys:
        data = ", ".join(f"{key}: {_values(runs, key)}" for key in keys)
        yield f"the runs are of different data ({data}), so that their scores cannot be compared"


def _measured_otherwise(runs: Sequence[Run]) -> Iterator[str]:
    keys = [
        key
        for key in telling([run.settings for run in runs])
        if is_measure(key) and not key.endswith("seed")
    ]
    if keys:
        names = ", ".join(key.removeprefix("trainer.callbacks.") for key in keys)
        yield f"the probes differ ({names}), so that their scores are not of one measure"


def _values(runs: Sequence[Run], key: str) -> str:
    values = dict.fromkeys(_short(run.settings.get(key)) for run in runs)
    return " / ".join(values)


def _short(value: Any) -> str:
    return PurePath(value).name if isinstance(value, str) and "/" in value else shown(value)


def _unequal_epochs(runs: Sequence[Run], scores: Sequence[str]) -> Iterator[str]:
    ends = {
        max(run.finite(name), default=0) for run in runs for name in scores if name in run.series
    }
    if len(ends) > 1:
        yield (
            f"the runs have scores of {min(ends)} to {max(ends)} epochs; all values are aligned by "
            "epoch, and a mean is over the runs that reached it"
        )
    for name in scores:
        lacking = [run.name for run in runs if name not in run.series]
        if lacking:
            yield f"without {short_score(name)}: {', '.join(lacking)}"


def _incomplete(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        if run.state != "finished":
            limit = f" of {run.max_epochs}" if run.max_epochs is not None else ""
            reason = f" ({run.reason})" if run.reason else ""
            yield f"{run.name} is {run.state}{reason} at epoch {run.epoch}{limit}"


def _same_seeds(groups: Sequence[Sequence[Run]]) -> Iterator[str]:
    for group in groups:
        count = Counter(repr(sorted(run.seeds.items())) for run in group)
        for run in group:
            seeds = repr(sorted(run.seeds.items()))
            if count.pop(seeds, 1) > 1:
                same = [r.name for r in group if repr(sorted(r.seeds.items())) == seeds]
                yield f"of the same seed, so that their deviation says little: {', '.join(same)}"


def _losses(runs: Sequence[Run]) -> Iterator[str]:
    contrasts = {str(run.settings.get("model.objective.contrast")) for run in runs}
    if len(contrasts) > 1:
        yield "the losses of different objectives have scales of their own: compare them within one"
