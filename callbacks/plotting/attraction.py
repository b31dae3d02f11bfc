"""The figure of how strongly positive pairs are pulled together and negative pairs apart."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .history import History
from .style import COLORS, MUTED, style


def draw_attraction(history: History) -> Figure:
    """Attraction and repulsion over epochs, and their ratio.

    Args:
        history: Holds `attraction`, `repulsion` and `ratio` by epoch.
    """
    with style():
        figure = Figure(figsize=(7.8, 2.9), layout="constrained")
        forces, ratio = figure.subplots(1, 2)
        forces.set_title("gradient at the encoder's features")
        for name, color in (("attraction", COLORS[0]), ("repulsion", COLORS[1])):
            _draw(forces, history, name, color, f"{name} of {_PAIRS[name]} pairs")
        forces.set_ylim(bottom=min(0.0, forces.get_ylim()[0]))
        forces.legend(fontsize=8)
        ratio.set_title("attraction / repulsion")
        ratio.axhline(1, color=MUTED, linestyle="--", linewidth=1)
        _draw(ratio, history, "ratio", COLORS[2], "")
        values = history.points("ratio")[1]
        ratio.set_ylim(min([0.0, *values]), 1.1 * max([1.0, *values]))
        for axes in (forces, ratio):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return figure


_PAIRS = {"attraction": "positive", "repulsion": "negative"}


def _draw(axes: Axes, history: History, name: str, color: str, label: str) -> None:
    epochs, values = history.points(name)
    marker = "o" if len(epochs) < 30 else None
    axes.plot(epochs, values, color=color, label=label, marker=marker, markersize=3)
    if values:
        axes.annotate(
            f"{values[-1]:.2f}",
            (epochs[-1], values[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            color=color,
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
