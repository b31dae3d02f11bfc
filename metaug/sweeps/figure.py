"""The figure of a sweep: parameters against the score."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from metaug.callbacks.plotting.style import COLORS, MUTED, style
from metaug.sweeps.folder import SweepFolder
from metaug.sweeps.parameters import Parameter
from metaug.sweeps.study import Study
from metaug.sweeps.trial_values import as_cell, score, short_names

_COLUMNS = {1: 1, 2: 2, 4: 2}
_DONE, _STOPPED, _BEST = COLORS[0], MUTED, COLORS[1]


def write_figure(folder: SweepFolder, study: Study) -> Path:
    """`sweep.png`, one panel a parameter, the best trial marked.

    Args:
        folder: The sweep's.
        study: Its trials, one of which at least has a score.
    """
    trials = [trial for trial in study.trials() if math.isfinite(_score(trial))]
    path = folder.path / "sweep.png"
    with style():
        draw(folder, trials, study.best()).savefig(path)
    return path


def draw(folder: SweepFolder, trials: list[FrozenTrial], best: FrozenTrial | None) -> Figure:
    """The figure.

    Args:
        folder: The sweep's.
        trials: Those that have a score.
        best: The best complete one.
    """
    parameters = folder.sweep.parameters
    names = short_names(parameter.name for parameter in parameters)
    columns = _COLUMNS.get(len(parameters), 3 if len(parameters) <= 9 else 4)
    rows = -(-len(parameters) // columns)
    with style():
        figure = Figure(figsize=(2.9 * columns + 0.3, 2.2 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axes, parameter in zip(grid, parameters, strict=False):
            axes.set_title(names[parameter.name].replace("_", " ").replace(".", " · "))
            _draw_panel(axes, folder, parameter, trials, best)
            axes.tick_params(labelleft=True)
        for axes in grid[len(parameters) :]:
            axes.set_axis_off()
        unit = "  %" if _is_share(folder.sweep.metric, trials) else ""
        figure.supylabel(folder.sweep.metric + unit, color=MUTED, fontsize=9)
        figure.legend(handles=_legend(trials, best), loc="outside lower center", ncols=3)
    return figure


def _draw_panel(
    axes: Axes,
    folder: SweepFolder,
    parameter: Parameter,
    trials: list[FrozenTrial],
    best: FrozenTrial | None,
) -> None:
    factor = 100 if _is_share(folder.sweep.metric, trials) else 1
    values = [folder.sweep.setting(trial.params)[parameter.name] for trial in trials]
    heights = [factor * _score(trial) for trial in trials]
    places: list[Any] = values
    if isinstance(parameter.distribution, CategoricalDistribution):
        choices = list(parameter.distribution.choices)
        labels = [as_cell(choice) for choice in choices]
        slots = [choices.index(value) for value in values]
        places = _apart(slots)
        wide = sum(map(len, labels)) > 26
        axes.set_xticks(range(len(labels)), labels, rotation=20 if wide else 0)
        if wide:
            axes.tick_params(axis="x", labelsize=7)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.grid(False, axis="x")
    else:
        _show_range(axes, parameter)
    axes.margins(y=0.1)
    for trial, x, y in zip(trials, places, heights, strict=True):
        stopped = trial.state != TrialState.COMPLETE
        if best is not None and trial.number == best.number:
            axes.plot(x, y, marker="*", markersize=13, color=_BEST, zorder=4, linestyle="")
        else:
            face = "white" if stopped else _DONE
            edge = _STOPPED if stopped else _DONE
            axes.plot(
                x, y, "o", markersize=5, markerfacecolor=face, markeredgecolor=edge, alpha=0.8
            )


def _show_range(axes: Axes, parameter: Parameter) -> None:
    """All that is searched, so that a best value at its end is seen to be there."""
    distribution: Any = parameter.distribution
    low, high = distribution.low, distribution.high
    if parameter.is_log:
        axes.set_xscale("log")
        edge = (high / low) ** 0.04
        axes.set_xlim(low / edge, high * edge)
    else:
        edge = 0.04 * (high - low)
        axes.set_xlim(low - edge, high + edge)


def _apart(slots: list[int]) -> list[float]:
    """Places of points of a category beside each other, in the order of the trials."""
    result = []
    for index, slot in enumerate(slots):
        offsets = np.linspace(-0.25, 0.25, max(slots.count(slot), 2))
        offset = offsets[slots[:index].count(slot)] if slots.count(slot) > 1 else 0.0
        result.append(slot + float(offset))
    return result


def _legend(trials: list[FrozenTrial], best: FrozenTrial | None) -> list[Line2D]:
    blank: Any = {"linestyle": "", "color": _DONE}
    handles = []
    if best is not None:
        label = f"best: trial {best.number}"
        handles.append(Line2D([], [], **{**blank, "color": _BEST}, marker="*", ms=10, label=label))
    if any(
        trial.state == TrialState.COMPLETE and trial.number != (best and best.number)
        for trial in trials
    ):
        handles.append(Line2D([], [], **blank, marker="o", ms=5, label="complete"))
    others = {trial.state for trial in trials} - {TrialState.COMPLETE}
    if others:
        hollow: Any = {"markerfacecolor": "white", "markeredgecolor": _STOPPED}
        label = "stopped early" if others == {TrialState.PRUNED} else "not complete"
        handles.append(Line2D([], [], **blank, marker="o", ms=5, label=label, **hollow))
    return handles


def _score(trial: FrozenTrial) -> float:
    value = score(trial)
    return math.nan if value is None else value


def _is_share(metric: str, trials: list[FrozenTrial]) -> bool:
    return metric.endswith(("top1", "top5")) and all(0 <= _score(t) <= 1 for t in trials)
