"""The figure of a step report: time, work and memory of each variant as ratios."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt

COLUMNS = {"time": "step time", "FLOPs": "counted FLOPs", "allocated": "tensors' peak memory"}


def draw(found: dict[str, dict[str, float]], base: str, path: Path) -> None:
    """Horizontal bars, one panel per quantity.

    Args:
        found: Ratios by variant and column.
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
        errors, ends = None, values
        if column == "time":
            ends = [found[name]["highest"] for name in names]
            lowest = [found[name]["time"] - found[name]["lowest"] for name in names]
            errors = [lowest, [end - value for end, value in zip(ends, values, strict=True)]]
        bars = panel.barh(names, values, color=colors, xerr=errors, error_kw={"lw": 1})
        panel.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)  # beyond the error bars
        panel.axvline(1, color="black", lw=0.5)
        panel.set_xlim(0, 1.25 * max(ends))
        panel.set_title(f"{title} / {base}", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.savefig(path, dpi=120)
    plt.close(figure)
