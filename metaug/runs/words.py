"""Runs in few words, for tables: scores, times, what they are of and how they differ."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite

from metaug.runs.differences import described, differing, short_keys, shown, telling
from metaug.runs.run import Run
from metaug.runs.settings import is_housekeeping

_SEED = "seed_everything"
_SAID = ("model", "data", "model.encoder.backbone")  # by `purpose`


def purpose(run: Run) -> str:
    """Model and data: `MetAug resnet18 on Digits`."""
    settings = run.settings
    backbone = settings.get("model.encoder.backbone")
    words = [str(settings.get("model", "?")), *([shown(backbone)] if backbone else [])]
    if data := settings.get("data"):
        words += ["on", str(data).removesuffix("DataModule")]
    return " ".join(words)


def differences(runs: Sequence[Run]) -> list[list[str]]:
    """What differs among runs, for each of them: `seed=0`, `generator=none`.

    Settings that `purpose` names are left out, and seeds that follow `seed_everything`.

    Args:
        runs: The runs of a table.
    """
    followers = {key for run in runs for key in run.seeds if key != _SEED} - {
        key for run in runs for key, value in run.seeds.items() if value != run.settings.get(_SEED)
    }
    several = [
        {
            key: value
            for key, value in run.settings.items()
            if key not in followers and not is_housekeeping(key)
        }
        for run in runs
    ]
    keys = [key for key in telling(several) if key not in _SAID]
    names = short_keys(keys, [run.settings for run in runs])
    return [described(settings, keys, names) for settings in several]


def score_names(runs: Sequence[Run]) -> list[str]:
    """Top-1 scores of all runs, those first that most runs have, then as they were logged."""
    count = Counter(name for run in runs for name in run.scores)
    return sorted(count, key=lambda name: (-count[name], "_top1_" in name))


def short_score(name: str) -> str:
    """A score as tables head it: `kNN`, `linear`.

    Examples:
        >>> short_score("val/knn_top1"), short_score("val/knn_top1_k20_T0.07")
        ('kNN', 'kNN k20 T0.07')
    """
    words = name.removeprefix("val/").replace("_top1", "").replace("_", " ")
    return words.replace("knn", "kNN")


def percent(value: float | None, digits: int = 2) -> str:
    """A share in percent: `93.87`."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def epochs(run: Run) -> str:
    """Epochs that are complete, of those that were to be: `7/12`."""
    return str(run.epoch) if run.max_epochs is None else f"{run.epoch}/{run.max_epochs}"


def duration(seconds: float | None) -> str:
    """A time in one unit.

    Examples:
        >>> duration(12), duration(754), duration(9000), duration(200_000), duration(None)
        ('12 s', '13 min', '2.5 h', '2.3 d', '–')
    """
    if seconds is None or not isfinite(seconds):
        return "–"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.0f} {unit}" if unit == "s" or value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds / 86400:.1f} d"


def took(run: Run) -> str:
    """How long it ran, with a `~` where that is only what its files suggest."""
    return ("" if run.seconds_known or run.seconds is None else "~") + duration(run.seconds)


def when(started: datetime | None) -> str:
    """When it began, local time: the hour of today, the day of this year, else the year."""
    if started is None:
        return "–"
    now, local = datetime.now(UTC).astimezone(), started.astimezone()
    if local.date() == now.date():
        return f"{local:%H:%M}"
    return f"{local:%m-%d}" if local.year == now.year else f"{local:%Y}"


def different(runs: Sequence[Run]) -> list[str]:
    """Keys of all settings that differ among runs, but for those that change nothing learned."""
    return [k for k in differing([run.settings for run in runs]) if not is_housekeeping(k)]
