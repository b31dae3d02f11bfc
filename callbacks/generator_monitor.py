"""Watches the augmentation generator: what it does to the similarities that the loss sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metaug.lightning_modules.evaluation.features import evaluation
from metaug.lightning_modules.objectives.margin import MarginRegularization
from metaug.lightning_modules.objectives.pairs import PairSet, form_pairs
from metaug.lightning_modules.training.batch_formats import read_batch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from .plotting.history import History
from .plotting.style import COLOURS, INK, publish, style
from .probing.evaluation_callback import due


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
        pairs: pairs of original and augmented features.
        margin_lines: m+ and m- of each instance, `[N]` each.
        cosine: between each feature and its augmentation, `[N, V]`.
        history: holds `cosine` and `meta_gap` over steps.
        title: what the first panel is called.
    """
    values = [similarities(part) for part in (pairs.original(), pairs.augmented())]
    low = min(float(part.min()) for both in values for part in both)
    bins = np.linspace(max(low - 0.02, 0), 1, 61).tolist()
    with style():
        figure = Figure(figsize=(9.2, 5.6), layout="constrained")
        grid = figure.subplots(2, 2)
        names = (f"{title}: original pairs", "pairs with an augmented feature")
        for axes, (positive, negative), name in zip(grid[:, 0], values, names, strict=True):
            axes.hist(negative, bins, density=True, color=COLOURS[1], alpha=0.55, label="negative")
            axes.hist(positive, bins, density=True, color=COLOURS[0], alpha=0.55, label="positive")
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
    for view, colour in zip(range(cosine.shape[1]), COLOURS * cosine.shape[1], strict=False):
        values = cosine[:, view].cpu().numpy()
        axes.hist(values, bins, color=colour, alpha=0.5, label=f"view {view + 1}")
    axes.set_title(f"cosine of feature and augmentation, mean {float(cosine.mean()):.2f}")
    axes.set_ylabel("instances")
    axes.legend(fontsize=8, loc="upper left")


def _draw_gap(axes: Axes, history: History) -> None:
    axes.set_title("meta gap and cosine over time")
    for name, colour, label in (
        ("meta_gap", COLOURS[3], "meta gap"),
        ("cosine", COLOURS[2], "cosine of the augmentation"),
    ):
        steps, values = history.points(name)
        if steps:
            few = len(steps) < 30
            axes.plot(
                steps, values, color=colour, label=label, marker="o" if few else None, markersize=3
            )
    axes.set_xlabel("step")
    if axes.lines:
        axes.legend(fontsize=8)


class GeneratorMonitor(Callback):
    """Draws `figures/generator.png` for a MetAug module that has a generator.

    On the last batch of an epoch, in evaluation mode: distributions of positive and negative
    similarities between original features and with augmented ones, with the margins m+ and m-
    (median line, quartile band); the cosine of a feature and its augmentation, logged as
    `generator/cosine`; the meta gap over time. On many processes rank zero shows its own part of
    the batch.

    Args:
        max_images: most instances of the batch looked at.
        every_n_epochs: epochs between drawings, a second or two each; the last epoch is always
            drawn.
    """

    def __init__(self, max_images: int = 512, every_n_epochs: int = 5) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs} must be 1 or above.")
        if max_images < 2:
            raise ValueError(f"max_images={max_images} must be 2 or above.")
        self.max_images = max_images
        self.every_n_epochs = every_n_epochs
        self.history = History()
        self.written: list[Path] = []

    @staticmethod
    def applies(pl_module: Any) -> bool:
        """Whether the module has a generator to watch."""
        has_methods = hasattr(pl_module, "features") and hasattr(pl_module, "augment")
        return has_methods and getattr(pl_module, "generator", None) is not None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the meta gap; at the end of an epoch look at the generator."""
        if not self.applies(pl_module):
            return
        gap = trainer.callback_metrics.get("train/meta_gap")
        if gap is not None:
            self.history.add("meta_gap", trainer.global_step, gap)
        if trainer.is_last_batch and due(trainer, self.every_n_epochs):
            self.look(
                trainer, pl_module, [view[: self.max_images] for view in read_batch(batch).views]
            )

    def look(self, trainer: pl.Trainer, pl_module: Any, views: list[Tensor]) -> None:
        """Measure, log and draw; every process must come here."""
        with evaluation(trainer, pl_module):
            features = pl_module.features(
                [trainer.precision_plugin.convert_input(v) for v in views]
            )
            augmented = pl_module.augment(features).float()
        features = features.float()
        cosine = (features * augmented).sum(-1)
        pl_module.log(
            "generator/cosine",
            cosine.mean(),
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=1,
        )
        self.history.add("cosine", trainer.global_step, cosine.mean())
        if len(features) < 2:
            return
        pairs = form_pairs(features, augmented)
        regularization = getattr(getattr(pl_module, "objective", None), "margin", None)
        kind: Any = getattr(regularization, "kind", "large")
        lines = MarginRegularization(kind).margins(pairs)
        title = f"epoch {trainer.current_epoch}"
        figure = draw_generator(pairs, lines, cosine, self.history, title)
        path = publish(trainer, figure, "generator")
        self.written = [path] if path else []

    def state_dict(self) -> dict[str, Any]:
        """The record over time."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the record."""
        self.history.load_state_dict(state_dict["history"])
