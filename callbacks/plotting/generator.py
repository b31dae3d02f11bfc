"""The figure of what the augmentation generator does."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metaug.lightning_modules.objectives.pairs import PairSet
from torch import Tensor

from .history import History
from .style import COLORS, INK, style


def similarities(pairs: PairSet) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of all positive and all negative pairs, each flat."""
    count, others = pairs.valid.shape
    valid = pairs.valid.expand(len(pairs.negative_pairs), count, others)
    return pairs.positive.flatten().cpu().numpy(), pairs.negative[valid].cpu().numpy()


def draw_generator(
    pairs: PairSet,
    margin_lines: tuple[Tensor, Tensor],
    cosine: Tensor,
    history: History,
    title: str,
) -> Figure:
    """Similarities of original and of augmented pairs, cosine of the augmentation, the meta gap.

    Args:
        pairs: Pairs of original and augmented features.
        margin_lines: The margins m+ and m- of each instance, `[N]` each.
        cosine: Between each feature and its augmentation, `[N, V]`.
        history: Holds `cosine` and `meta_gap` over steps.
        title: What the first panel is called.
    """
    values = [similarities(part) for part in (pairs.original(), pairs.augmented())]
    low = min(float(part.min()) for both in values for part in both)
    bins = np.linspace(max(low - 0.02, 0), 1, 61).tolist()
    with style():
        figure = Figure(figsize=(9.2, 5.6), layout="constrained")
        grid = figure.subplots(2, 2)
        names = (f"{title}: original pairs", "pairs with an augmented feature")
        for axes, (positive, negative), name in zip(grid[:, 0], values, names, strict=True):
            axes.hist(negative, bins, density=True, color=COLORS[1], alpha=0.55, label="negative")
            axes.hist(positive, bins, density=True, color=COLORS[0], alpha=0.55, label="positive")
            _draw_margins(axes, margin_lines)
            axes.set_xlim(bins[0], bins[-1])
            axes.set_yticks([])
            axes.set_ylabel("density")
            axes.legend(fontsize=8, loc="upper left")
            axes.set_title(name)
        grid[1, 0].set_xlabel("similarity (1 + cosine) / 2")
        _draw_cosines(grid[0, 1], cosine)
        _draw_gap(grid[1, 1], history)
    return figure


def _draw_margins(axes: Axes, lines: tuple[Tensor, Tensor]) -> None:
    """Median of each margin as a line, its quartiles as a band."""
    for line, name, dash in zip(lines, ("m⁺", "m⁻"), ("--", ":"), strict=True):
        low, middle, high = (float(line.quantile(q)) for q in (0.25, 0.5, 0.75))
        label = f"{name} {middle:.2f}"
        axes.axvline(middle, color=INK, linestyle=dash, linewidth=1.2, label=label)
        axes.axvspan(low, high, color=INK, alpha=0.10, linewidth=0)


def _draw_cosines(axes: Axes, cosine: Tensor) -> None:
    bins = np.linspace(min(-0.05, float(cosine.min())), 1, 51).tolist()
    for view, color in zip(range(cosine.shape[1]), COLORS * cosine.shape[1], strict=False):
        values = cosine[:, view].cpu().numpy()
        axes.hist(values, bins, color=color, alpha=0.5, label=f"view {view + 1}")
    axes.set_title(f"cosine of feature and augmentation, mean {float(cosine.mean()):.2f}")
    axes.set_ylabel("instances")
    axes.legend(fontsize=8, loc="upper left")


def _draw_gap(axes: Axes, history: History) -> None:
    axes.set_title("meta gap and cosine over time")
    for name, color, label in (
        ("meta_gap", COLORS[3], "meta gap"),
        ("cosine", COLORS[2], "cosine of the augmentation"),
    ):
        steps, values = history.points(name)
        if steps:
            few = len(steps) < 30
            axes.plot(
                steps, values, color=color, label=label, marker="o" if few else None, markersize=3
            )
    axes.set_xlabel("step")
    if axes.lines:
        axes.legend(fontsize=8)
