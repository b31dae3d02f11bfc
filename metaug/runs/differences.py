"""Which settings of runs differ, and how to say it in few words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metaug.runs.settings import Settings

MISSING = "–"
"""Stands for a setting that a run's components do not have."""


def differing(several: Sequence[Settings]) -> list[str]:
    """Keys whose values differ, or that some have and others do not, in the order of the configs.

    Args:
        several: The settings of some runs.

    Examples:
        >>> differing([{"lr": 0.1, "seed": 0}, {"lr": 0.1, "seed": 1, "margin": None}])
        ['seed', 'margin']
    """
    keys = dict.fromkeys(key for settings in several for key in settings)
    return [k for k in keys if len({repr(settings.get(k, MISSING)) for settings in several}) > 1]


def telling(several: Sequence[Settings]) -> list[str]:
    """The differing keys without those that follow from another component in the same place.

    Where one run has a generator and another none, the width of the generator is no difference of
    its own, unless it differs among the runs that have one. Where all have one of another class, a
    key that both classes have is compared.

    Args:
        several: The settings of some runs.

    Examples:
        >>> wide = {"generator": "MLP", "generator.width": 64}
        >>> telling([wide, {"generator": None}])
        ['generator']
        >>> telling([wide, wide | {"generator.width": 128}, {"generator": None}])
        ['generator', 'generator.width']
    """
    keys = differing(several)
    exchanged = {key for key in keys if any(other.startswith(f"{key}.") for other in keys)}
    kept = []
    for key in keys:
        values = {repr(settings[key]) for settings in several if key in settings}
        below = any(key.startswith(f"{component}.") for component in exchanged)
        if not below or len(values) > 1:
            kept.append(key)
    return kept


def fewest(several: Sequence[Settings], keys: Iterable[str]) -> list[str]:
    """As few of the keys as tell the same runs apart: components first, then in their order.

    Args:
        several: The settings of some runs.
        keys: Of which to choose.
    """
    is_component = {
        key: any(other.startswith(f"{key}.") for settings in several for other in settings)
        for key in keys
    }
    chosen: list[str] = []
    apart = 1
    for key in sorted(is_component, key=lambda key: not is_component[key]):
        seen = {
            tuple(repr(settings.get(k, MISSING)) for k in [*chosen, key]) for settings in several
        }
        if len(seen) > apart:
            chosen.append(key)
            apart = len(seen)
    return [key for key in is_component if key in chosen]


def short_keys(keys: Iterable[str], several: Sequence[Settings]) -> dict[str, str]:
    """The shortest end of each key that no other setting has, without what all say.

    Args:
        keys: To be shortened.
        several: All settings there are.

    Examples:
        >>> all_settings = [{"a.lr": 1, "b.lr": 2, "data.size": 3, "seed_everything": 0}]
        >>> short_keys(["b.lr", "data.size", "seed_everything"], all_settings)
        {'b.lr': 'b.lr', 'data.size': 'size', 'seed_everything': 'seed'}
    """
    ends: Counter[str] = Counter()
    for key in {key for settings in several for key in settings}:
        parts = key.split(".")
        ends.update(".".join(parts[i:]) for i in range(len(parts)))
    return {key: _shortest(key, ends) for key in keys}


def _shortest(key: str, ends: Counter[str]) -> str:
    if key == "seed_everything":
        return "seed"
    parts = key.split(".")
    names = (".".join(parts[i:]) for i in reversed(range(len(parts))))
    return next(name for name in names if ends[name] == 1 or name == key)


def shown(value: Any) -> str:
    """A value in few letters: `none`, `0.05`, `[1, 2]`.

    Examples:
        >>> shown(None), shown(0.1 + 0.2), shown([1, 2]), shown(True)
        ('none', '0.3', '[1, 2]', 'true')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def described(settings: Settings, keys: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Settings in words, such as `generator=none`; those that the run does not have are left out.

    Args:
        settings: Of a run.
        keys: Which of them.
        names: What to call each.
    """
    return [f"{names[key]}={shown(settings[key])}" for key in keys if key in settings]
