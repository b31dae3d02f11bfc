"""A report of a run: one HTML page."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback

from .artifacts.html_page import render
from .artifacts.run_facts import command_line, versions
from .artifacts.run_files import is_trial, run_directory, written_files
from .artifacts.score_table import score_table
from .summary import Summary, score_names


class Report(Callback):
    """Writes `<run>/report.html` after a fit, a validation or a test.

    Scores, curves and other figures, configuration, versions and command on one page that can be
    sent or kept.

    Args:
        title: Heading of the page; the run's folder if None.

    Examples:
        >>> Report(title="ResNet-18 on CIFAR-10").written
        []
    """

    def __init__(self, title: str | None = None) -> None:
        self.title = title
        self.written: list[Path] = []

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on rank zero."""
        self.write(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a validation of its own, not one within a fit."""
        if trainer.state.fn == "validate":
            self.write(trainer, pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a test."""
        self.write(trainer, pl_module)

    def write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page; every process must come here."""
        folder = run_directory(trainer)
        if not trainer.is_global_zero or is_trial(trainer):
            return
        datamodule: Any = getattr(trainer, "datamodule", None)
        data = type(datamodule).__name__ if datamodule is not None else "loaders"
        page = render(
            self.title or f"{folder.parent.name} / {folder.name}",
            f"{type(pl_module).__name__} on {data}, {trainer.current_epoch} epochs, "
            f"{trainer.global_step} steps, {trainer.num_devices * trainer.num_nodes} process(es)",
            scores=_scores(trainer),
            metrics={name: float(value) for name, value in trainer.callback_metrics.items()},
            figures=[path for path in written_files(trainer) if path.suffix == ".png"],
            config=_config(folder, pl_module),
            command=command_line(),
            versions=versions(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        self.written = [path]


def _scores(trainer: pl.Trainer) -> tuple[list[str], list[list[str]]]:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    summary = next((c for c in callbacks if isinstance(c, Summary)), Summary())
    return score_table(summary.rows(trainer), score_names(trainer))


def _config(folder: Path, pl_module: pl.LightningModule) -> str:
    written = folder / "config.yaml"
    if written.exists():
        return written.read_text(encoding="utf-8")
    plain = {name: str(value) for name, value in dict(pl_module.hparams).items()}
    return yaml.safe_dump(plain) if plain else ""
