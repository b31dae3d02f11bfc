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
        # the wider line below shows where both are the same
        _draw(forces, history, "attraction", COLORS[0], 3.2, "attraction of positive pairs")
        _draw(forces, history, "repulsion", COLORS[1], 1.4, "repulsion of negative pairs")
        ratio.set_title("attraction / repulsion")
        ratio.axhline(1, color=MUTED, linestyle="--", linewidth=1)
        _draw(ratio, history, "ratio", COLORS[2], 1.6, "ratio")
        for axes in (forces, ratio):
            low, high = axes.get_ylim()
            axes.set_ylim(min(0.0, low), high + 0.05 * (high - min(0.0, low)))
            axes.legend(fontsize=8)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return figure


def _draw(axes: Axes, history: History, name: str, color: str, width: float, label: str) -> None:
    """A series, with its last value in the legend."""
    epochs, values = history.points(name)
    if not values:
        return
    marker = "o" if len(epochs) < 30 else None
    axes.plot(
        epochs,
        values,
        color=color,
        linewidth=width,
        marker=marker,
        markersize=2 + width,
        label=f"{label}, {values[-1]:.2f}",
    )
