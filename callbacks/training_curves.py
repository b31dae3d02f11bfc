"""Figure: what training logged, over its steps."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pytorch_lightning.callbacks import Callback

from .plotting.history import History
from .plotting.style import COLOURS, publish, style

PANELS: dict[str, tuple[str, ...]] = {
    "loss": ("train/loss", "train/oucl"),
    "margin regularisation": ("train/margin",),
    "meta gap": ("train/meta_gap", "train/lookahead_error"),
    "spread of features (1 even, 0 collapsed)": ("representation/std",),
    "effective rank": ("representation/rank",),
    "alignment and uniformity": ("representation/alignment", "representation/uniformity"),
}


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
    shown = [name for names in PANELS.values() for name in names]
    scores = [
        name
        for name in history.series
        if name.startswith("val/") and not name.endswith("top5") and _is_share(history, name)
    ]
    others = [
        name
        for name in history.series
        if name.startswith("train/") and name not in shown and name != "train/images_per_second"
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
    for colour, name in zip(COLOURS * (1 + len(names) // len(COLOURS)), names, strict=False):
        steps, values = history.points(name)
        label = name.split("/", 1)[1].replace("_", " ").replace("knn", "kNN").replace("top1", "")
        if name.startswith("val/"):
            percent = [100 * value for value in values]
            axes.plot(steps, percent, marker="o", markersize=3, color=colour, label=label)
            axes.set_ylabel("%")
            ends.append((steps[-1], percent[-1], colour))
        else:
            axes.plot(steps, values, color=colour, alpha=0.22, linewidth=0.8)
            marker = "o" if name.startswith("representation/") else None
            axes.plot(steps, smooth(values), color=colour, label=label, marker=marker, markersize=3)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if len(names) == 1 and min(values) > 0 and max(values) > 100 * min(values):
        axes.set_yscale("log")
    if len(names) > 1:
        axes.legend(fontsize=8, frameon=True, edgecolor="none", framealpha=0.85)
    _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: list[tuple[int, float, str]]) -> None:
    """Write the last values at the ends of their lines, apart where lines end together."""
    low, high = axes.get_ylim()
    place = low
    for step, value, colour in sorted(ends, key=lambda end: end[1]):
        place = max(value, place)
        axes.annotate(
            f"{value:.1f}",
            (step, place),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
        place += 0.07 * (high - low)


class TrainingCurves(Callback):
    """Draws `figures/training_curves.png`: losses, margin, meta gap and probe scores over steps.

    It keeps a record of its own, which is in the checkpoint, so the curves of a resumed run are
    whole, whatever the logger.

    Args:
        every_n_epochs: epochs between drawings, besides the one at the end; never more than one a
            minute.
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs} must be 1 or above.")
        self.every_n_epochs = every_n_epochs
        self.history = History()
        self.written: list[Path] = []
        self._drawn_at = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first drawing comes after a minute."""
        self._drawn_at = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record what the step logged."""
        for name, value in trainer.callback_metrics.items():
            if name.startswith("train/") and not name.endswith("_epoch"):
                self.history.add(name.removesuffix("_step"), trainer.global_step, value)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the scores of the validation loop."""
        self._record_scores(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record scores that came without a validation loop; draw now and then."""
        self._record_scores(trainer)
        wanted = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        wanted = wanted and time.monotonic() - self._drawn_at > 60
        if trainer.strategy.broadcast(wanted):
            self.draw(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the whole."""
        self._record_scores(trainer)
        self.draw(trainer)

    def _record_scores(self, trainer: pl.Trainer) -> None:
        if trainer.sanity_checking or not trainer.global_step:
            return
        for name, value in trainer.callback_metrics.items():
            if not name.startswith(("val/", "representation/")):
                continue
            if trainer.global_step not in self.history.points(name)[0][-1:]:
                self.history.add(name, trainer.global_step, value)

    def draw(self, trainer: pl.Trainer) -> None:
        """Draw and publish; every process must come here."""
        self._drawn_at = time.monotonic()
        figure = draw_curves(self.history)
        if figure is not None:
            path = publish(trainer, figure, "training_curves")
            self.written = [path] if path else []

    def state_dict(self) -> dict[str, Any]:
        """The record."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the record."""
        self.history.load_state_dict(state_dict["history"])
