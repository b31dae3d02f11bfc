"""How figures look."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes

INK, MUTED, GRID = "#22303c", "#6b7a88", "#e6eaee"
COLORS = (
    *("#2f6fdb", "#e4572e", "#2a9d6f", "#8f5fd0", "#d99a13"),
    *("#13a8bd", "#d6478f", "#7a8b2f", "#8a5a44", "#5b6b7a"),
)
STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": 150,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.15,
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of this project's figures; a user's own matplotlib settings come back after it."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def bare(axes: Axes) -> None:
    """No ticks, grid or frame: for pictures and maps."""
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def class_colors(count: int) -> list[Any]:
    """A color for each class; a color wheel when there are more than ten."""
    if count <= len(COLORS):
        return list(COLORS[:count])
    wheel = matplotlib.colormaps["gist_rainbow"]
    return [wheel(i / count) for i in range(count)]
