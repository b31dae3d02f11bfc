"""The curves of a comparison, a figure for each logged name."""

import io
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metaug.callbacks.plotting.style import COLORS, style
from metaug.runs.comparison import Comparison, Group
from metaug.runs.words import short_score

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_TITLES = {
    "train/loss": "loss",
    "train/contrastive": "contrastive part of the loss",
    "train/margin": "margin regularization",
    "train/meta_gap": "meta gap",
    "representation/rank": "effective rank",
    "representation/std": "std of features (1 even, 0 collapsed)",
    "val/representation_infonce": "InfoNCE of the representation",
}
_NOT_DRAWN = ("train/oucl", "train/images_per_second")
_MOST_POINTS = 300


def look(index: int) -> tuple[str, str | tuple[int, tuple[float, ...]]]:
    """Color and dashes of a group, which tell it apart in print as well."""
    return COLORS[index % len(COLORS)], DASHES[index % len(DASHES)]


def names_to_draw(comparison: Comparison) -> list[str]:
    """Scores, losses, what tells of a collapse, and all else that several runs logged."""
    others = [name for name in comparison.series if name not in _NOT_DRAWN]
    rooms = ("train/loss", "train/contrastive", "representation/", "val/", "objective/")

    def rank(name: str) -> int:
        return next((i for i, room in enumerate(rooms) if name.startswith(room)), len(rooms))

    return [*comparison.scores, *sorted(others, key=rank)]


def title(name: str) -> str:
    """What a figure is headed."""
    if "_top1" in name:
        return f"{short_score(name)}, top-1 in %"
    if "_top5" in name:
        return f"{short_score(name).replace('top5', 'top-5')} in %"
    room, _, rest = name.rpartition("/")
    of_room = f"{room}: " if room in ("objective", "generator") else ""
    return _TITLES.get(name, of_room + rest.replace("_", " "))


def draw(groups: Sequence[Group], name: str, *, by_time: bool) -> str | None:
    """A figure of one series as SVG; None without points.

    A group of several runs is the mean, its band one standard deviation to both sides, and each run
    a thin line. The mean is dotted, and has no band, where only some of the runs have a value.

    Args:
        groups: The groups.
        name: A logged name.
        by_time: Over training time instead of epochs.
    """
    with style():
        figure = Figure(figsize=(3.8, 2.35), layout="constrained")
        axes = figure.subplots()
        unit = _time_unit(groups) if by_time else 1.0
        drawn = [
            _draw_group(axes, index, group, name, unit, by_time)
            for index, group in enumerate(groups)
        ]
        if not any(drawn):
            return None
        axes.set_title(title(name))
        if by_time:
            axes.set_xlabel(f"training time, {_UNITS[unit]}, without probes")
        else:
            axes.set_xlabel("epoch")
            axes.set_xlim(*_epochs(groups))
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        _scale(axes)
        return _svg(figure)


_UNITS = {1.0: "seconds", 60.0: "minutes", 3600.0: "hours"}


def _epochs(groups: Sequence[Group]) -> tuple[float, float]:
    """The same axis for all figures of a page."""
    runs = [run for group in groups for run in group.runs]
    epochs = [epoch for run in runs for series in run.series.values() for epoch in series]
    margin = 0.04 * max(1, max(epochs) - min(epochs))
    return min(epochs) - margin, max(epochs) + margin


def _time_unit(groups: Sequence[Group]) -> float:
    longest = max(
        (max(run.training_seconds.values(), default=0) for group in groups for run in group.runs),
        default=0,
    )
    return next(unit for unit in (3600.0, 60.0, 1.0) if longest >= 3 * unit or unit == 1)


def _draw_group(
    axes: Axes, index: int, group: Group, name: str, unit: float, by_time: bool
) -> bool:
    color, dashes = look(index)
    scale = 100 if "_top" in name else 1
    curve = group.curve(name)
    times = {epoch: group.training_seconds(epoch).mean for epoch in curve} if by_time else None
    x, epochs = _places(curve, times, unit)
    if not epochs:
        return False
    means = [scale * (curve[epoch].mean or 0.0) for epoch in epochs]
    most = max(curve[epoch].n for epoch in epochs)
    whole = [place for place, epoch in enumerate(epochs) if curve[epoch].n == most]
    end = whole[-1] + 1
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(x[:end], means[:end], color=color, linestyle=dashes, marker=marker, markersize=3)
    axes.plot(x[end - 1 :], means[end - 1 :], color=color, linestyle=":")
    if most > 1:
        deviations = [scale * (curve[epochs[place]].deviation or 0.0) for place in whole]
        low = [means[place] - each for place, each in zip(whole, deviations, strict=True)]
        high = [means[place] + each for place, each in zip(whole, deviations, strict=True)]
        axes.fill_between([x[place] for place in whole], low, high, color=color, alpha=0.13, lw=0)
        for run in group.runs:
            series = run.finite(name)
            x, epochs = _places(series, run.training_seconds if by_time else None, unit)
            values = [scale * series[epoch] for epoch in epochs]
            axes.plot(x, values, color=color, alpha=0.4, linewidth=0.6)
    return True


def _places(
    epochs: Iterable[int], times: Mapping[int, float | None] | None, unit: float
) -> tuple[list[float], list[int]]:
    """Where epochs lie on the axis, few enough to be drawn; those of unknown time are left out."""
    known = (
        sorted(epochs) if times is None else sorted(e for e in epochs if times.get(e) is not None)
    )
    every = max(1, -(-len(known) // _MOST_POINTS))
    kept = known[::-1][::every][::-1]
    return [(epoch if times is None else times[epoch] or 0.0) / unit for epoch in kept], kept


def _scale(axes: Axes) -> None:
    """Logarithmic where values span decades; wide enough where they are all but the same."""
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = values.min(), values.max()
    if low > 0 and high > 100 * low:
        axes.set_yscale("log")
    elif high - low < 1e-3 * abs(high):
        axes.set_ylim(high - 0.01 * abs(high), high + 0.01 * abs(high))


def _svg(figure: Figure) -> str:
    """Text stays text, in the reader's own font, so that the page is small and can be searched."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "metaug"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
