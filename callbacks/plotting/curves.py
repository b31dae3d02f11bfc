"""The figure of what training logged, over its steps."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .history import History
from .style import COLORS, style

PANELS: dict[str, tuple[str, ...]] = {
    "loss": ("train/loss", "train/contrastive"),
    "margin regularization": ("train/margin",),
    "meta gap": ("train/meta_gap", "train/lookahead_error"),
    "std of features (1 even, 0 collapsed)": ("representation/std",),
    "effective rank": ("representation/rank",),
    "alignment and uniformity": ("representation/alignment", "representation/uniformity"),
    "InfoNCE of the representation": ("val/representation_infonce",),
}
_IN_PANELS = {name for names in PANELS.values() for name in names}


def smooth(values: list[float], share: float = 0.04) -> np.ndarray:
    """Running mean over a share of the series, one-sided at its ends."""
    width = max(1, round(share * len(values)))
    padded = np.pad(np.asarray(values, dtype=float), (width // 2, width - 1 - width // 2), "edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def draw_curves(history: History) -> Figure | None:
    """One panel for each group of series that has points; None if none has."""
    panels = {
        title: [n for n in names if any(history.points(n)[1])] for title, names in PANELS.items()
    }
    scores = [
        name
        for name in history.series
        if name.startswith("val/")
        and name not in _IN_PANELS
        and not name.endswith("top5")
        and _is_share(history, name)
    ]
    others = [
        name
        for name in history.series
        if name.startswith("train/")
        and name not in _IN_PANELS
        and name != "train/images_per_second"
    ]
    panels = {"loss": panels.pop("loss"), "probes": scores} | panels
    panels |= {name.removeprefix("train/"): [name] for name in others[:4]}
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return None
    columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    rows = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(3.7 * columns, 2.6 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, (title, names) in zip(grid, panels.items(), strict=False):
            axes.set_title(title)
            _draw_panel(axes, history, names)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[max(len(panels) - columns, 0) : len(panels)]:
            axes.set_xlabel("step")
    return figure


def _is_share(history: History, name: str) -> bool:
    return all(0 <= value <= 1 for value in history.points(name)[1])


def _draw_panel(axes: Axes, history: History, names: list[str]) -> None:
    ends: list[tuple[int, float, str]] = []
    values: list[float] = []
    for color, name in zip(COLORS * (1 + len(names) // len(COLORS)), names, strict=False):
        steps, values = history.points(name)
        label = name.split("/", 1)[1].replace("_", " ").replace("knn", "kNN").replace("top1", "")
        if name.startswith("val/") and name not in _IN_PANELS:
            percent = [100 * value for value in values]
            axes.plot(steps, percent, marker="o", markersize=3, color=color, label=label)
            axes.set_ylabel("%")
            ends.append((steps[-1], percent[-1], color))
        else:
            axes.plot(steps, values, color=color, alpha=0.22, linewidth=0.8)
            marker = "o" if name.startswith(("representation/", "val/")) else None
            axes.plot(steps, smooth(values), color=color, label=label, marker=marker, markersize=3)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if len(names) == 1 and min(values) > 0 and max(values) > 100 * min(values):
        axes.set_yscale("log")
    if len(names) > 1:
        axes.legend(fontsize=8, frameon=True, edgecolor="none", framealpha=0.85)
    _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: list[tuple[int, float, str]]) -> None:
    """Write the last values at the ends of their lines, apart where lines end together."""
    low, high = axes.get_ylim()
    height = low
    for step, value, color in sorted(ends, key=lambda end: end[1]):
        height = max(value, height)
        axes.annotate(
            f"{value:.1f}",
            (step, height),
            xytext=(5, 0),
            textcoords="offset points",
            color=color,
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
        height += 0.07 * (high - low)
