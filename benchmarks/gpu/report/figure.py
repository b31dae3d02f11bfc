"""The figure of a report: the time of a step in host and device, and the learning curves."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from metaug.callbacks.plotting.style import COLORS, INK, MUTED, style

from .bars import LIGHTLY
from .results import Results

Panel = tuple[str, Any]


def draw(results: Results, path: Path) -> bool:
    """Write an SVG with a panel per batch and one of learning curves, as far as they are there.

    Args:
        results: Of the benchmark.
        path: The file.

    Returns:
        Whether there was anything to draw.
    """
    panels: list[Panel] = [
        (f"A step in bf16, batch {batch}", rows) for batch, rows in step_rows(results).items()
    ]
    curves = learning_curves(results)
    panels += [("kNN top-1 on the test images", curves)] if curves else []
    if not panels:
        return False
    with style():
        most = max((len(rows) for _, rows in panels), default=4)
        size = (4.2 * len(panels), 1.4 + 0.32 * max(most, 5))
        figure, axes = plt.subplots(
            1, len(panels), figsize=size, layout="constrained", squeeze=False
        )
        for axis, (title, content) in zip(axes[0], panels, strict=True):
            (_draw_curves if content is curves else _draw_steps)(axis, content)
            axis.set_title(title)
        matplotlib.rcParams["svg.hashsalt"] = "metaug"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return True


def step_rows(results: Results) -> dict[int, dict[str, dict[str, Any]]]:
    """Records of steps in bf16 by batch and row, lightly's first.

    Args:
        results: Of the benchmark.
    """
    batches: dict[int, dict[str, dict[str, Any]]] = {}
    for (part, task), record in results.latest.items():
        argument, _, name = task.partition(" ")
        if part == "step" and name and argument.startswith("bf16") and record.get("ok", True):
            batches.setdefault(record["batch"], {})[name] = record
    return {
        batch: dict(sorted(rows.items(), key=lambda row: row[0] != LIGHTLY))
        for batch, rows in sorted(batches.items())
    }


def learning_curves(results: Results) -> dict[str, list[tuple[int, float]]]:
    """Epoch and score by row, of the latest run.

    Args:
        results: Of the benchmark.
    """
    begin = results.get("learn", "plan", "at") or 0
    curves: dict[str, dict[int, float]] = {}
    for record in results.epochs:
        for name, score in record.items():
            if name.endswith("knn_top1") and record["at"] >= begin:
                curves.setdefault(record["task"], {})[record["epoch"]] = score
    return {row: sorted(points.items()) for row, points in curves.items()}


def _draw_steps(axis: Axes, rows: dict[str, dict[str, Any]]) -> None:
    """Two bars per row, device and host, and a mark where the step ends by the clock."""
    for place, (name, record) in enumerate(rows.items()):
        for key, offset, color in (("device_ms", -0.2, COLORS[0]), ("host_ms", 0.2, COLORS[4])):
            faded = 0.55 if name == LIGHTLY else 1.0
            axis.barh(place + offset, record.get(key, 0), 0.36, color=color, alpha=faded)
        axis.plot([record["ms"]] * 2, [place - 0.42, place + 0.42], color=INK, lw=1.6)
        label = f"{record['ms']:.1f} ms, {record['ratio']:.2f}×"
        axis.annotate(
            label,
            (_longest(record), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=MUTED,
        )
    axis.set_yticks(range(len(rows)), list(rows))
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.set_xlim(0, 1.45 * max(map(_longest, rows.values())))
    axis.set_xlabel("milliseconds")
    marks = [plt.Rectangle((0, 0), 1, 1, color=COLORS[each]) for each in (0, 4)]
    marks.append(plt.Line2D([], [], color=INK))  # type: ignore[arg-type]
    _legend_below(axis, marks, ["device", "host", "by the clock"])


def _longest(record: dict[str, Any]) -> float:
    return max(record.get(key, 0) for key in ("ms", "device_ms", "host_ms"))


def _draw_curves(axis: Axes, curves: dict[str, list[tuple[int, float]]]) -> None:
    """A line per row."""
    for color, (name, points) in zip(COLORS, curves.items(), strict=False):
        epochs, scores = zip(*points, strict=True)
        axis.plot(epochs, scores, marker="o", ms=3.5, color=color, label=name)
    axis.set_xlabel("epochs")
    axis.set_ylabel("%")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_below(axis, *axis.get_legend_handles_labels())


def _legend_below(axis: Axes, marks: list[Any], labels: list[str]) -> None:
    place: dict[str, Any] = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, -0.18),
        "ncols": min(len(labels), 4),
    }
    axis.legend(marks, labels, fontsize=7.5, **place)
