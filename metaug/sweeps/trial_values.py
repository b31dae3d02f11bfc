"""Trials as they are shown: in which order, with which score, under which short names."""

import math
from collections.abc import Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from metaug.settings.config_layers import short
from metaug.sweeps.study import Study

_VAGUE = ("lr", "weight", "weight_decay", "k", "name", "kind", "backbone_args")


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The shortest ends of dotted names that tell them apart, and say enough.

    Examples:
        >>> short_names(["model.meta.inner_lr", "model.encoder_optimizer.lr"])
        {'model.meta.inner_lr': 'inner_lr', 'model.encoder_optimizer.lr': 'encoder.lr'}
    """
    parts = {name: short(name).replace("_optimizer.", ".").split(".") for name in names}
    result = {}
    for name, own in parts.items():
        length = 2 if own[-1] in _VAGUE else 1
        others = [other for key, other in parts.items() if key != name]
        while length < len(own) and any(o[-length:] == own[-length:] for o in others):
            length += 1
        result[name] = ".".join(own[-length:])
    return result


def by_score(study: Study) -> list[FrozenTrial]:
    """All trials: complete ones, the best first; those that were stopped early; the others."""
    order = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL]
    sign = -1 if study.sweep.maximize else 1

    def rank(trial: FrozenTrial) -> tuple[int, float, int]:
        value = trial.value if trial.value is not None else math.nan
        return (
            order.index(trial.state),
            math.inf if math.isnan(value) else sign * value,
            trial.number,
        )

    return sorted(study.trials(), key=rank)


def score(trial: FrozenTrial) -> float | None:
    """The last score of a trial; None before the first."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    steps = trial.intermediate_values
    return steps[max(steps)] if steps else None


def as_cell(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "null" if value is None else str(value)
