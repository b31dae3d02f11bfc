"""The progress bar on one line of a terminal of 80 columns."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.progress import ProgressColumn, TimeRemainingColumn
from rich.table import Column

_LEFT_OUT = ("v_num", "train/images_per_second")


class ProgressLine(RichProgressBar):
    """Lightning's progress bar, with what matters of the metrics, short enough not to wrap.

    Of what modules log with `prog_bar` it shows everything but the run's number and the speed;
    scores (`_top1`, `_top5`) in percent.

    Examples:
        >>> short("val/knn_top1", 0.441)
        ('kNN', '44.1')
    """

    def configure_columns(self, trainer: pl.Trainer) -> list[ProgressColumn]:
        """Epoch, bar, batches, time that is left."""
        description, bar, batches, *_ = super().configure_columns(trainer)
        bar.bar_width = 10
        left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
        return [description, bar, batches, left]

    def _init_progress(self, trainer: pl.Trainer) -> None:
        super()._init_progress(trainer)
        if self._metric_component is not None:  # cut off what does not fit
            self._metric_component._table_column = Column(no_wrap=True, overflow="ellipsis")

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Short names and values."""
        metrics = super().get_metrics(trainer, pl_module)
        return dict(short(name, value) for name, value in metrics.items() if name not in _LEFT_OUT)


def short(name: str, value: Any) -> tuple[str, str]:
    """A metric as the line shows it: `val/knn_top1`, 0.441 as `kNN`, `44.1`."""
    last = name.rpartition("/")[2].removesuffix("_step")
    if not isinstance(value, int | float):
        return last, str(value)
    if last.endswith("_top1"):
        return last.removesuffix("_top1").replace("knn", "kNN"), f"{100 * value:.1f}"
    if last.endswith("_top5"):
        return last.replace("_top5", " top-5"), f"{100 * value:.1f}"
    return last.removeprefix("meta_"), f"{value:.3g}"
