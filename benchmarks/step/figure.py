"""The figure of a step report: time, work and memory of each contestant as ratios."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt

COLUMNS = {"time": "step time", "FLOPs": "counted FLOPs", "allocated": "tensors' peak memory"}


def draw(found: dict[str, dict[str, float]], base: str, path: Path) -> None:
    """Horizontal bars, one panel per quantity.

    Args:
        found: Ratios by contestant and column.
        base: What the ratios are to.
        path: Where the PNG goes.
    """
    names = list(found)
    figure, panels = plt.subplots(
        1, len(COLUMNS), sharey=True, figsize=(9, 0.9 + 0.3 * len(names)), layout="constrained"
    )
    for panel, (column, title) in zip(panels, COLUMNS.items(), strict=True):
        values = [found[name][column] for name in names]
        colors = ["#999999" if "lightly" in name or name == base else "#3b6fb6" for name in names]
        panel.barh(names, values, color=colors)
        ends = [found[name]["highest"] for name in names] if column == "time" else values
        for height, (value, end) in enumerate(zip(values, ends, strict=True)):
            panel.annotate(
                f"{value:.2f}",
                (max(value, end), height),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        if column == "time":
            lowest = [found[name]["time"] - found[name]["lowest"] for name in names]
            highest = [found[name]["highest"] - found[name]["time"] for name in names]
            panel.errorbar(values, names, xerr=[lowest, highest], fmt="none", ecolor="black", lw=1)
        panel.axvline(1, color="black", lw=0.5)
        panel.set_xlim(0, 1.25 * max(*values, *ends))
        panel.set_title(f"{title} / {base}", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.savefig(path, dpi=120)
    plt.close(figure)
