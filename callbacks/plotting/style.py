"""How figures look, and where they and other files of a run go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import pytorch_lightning as pl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger

INK, MUTED, GRID = "#22303c", "#6b7a88", "#e6eaee"
COLOURS = (
    *("#2f6fdb", "#e4572e", "#2a9d6f", "#8f5fd0", "#d99a13"),
    *("#13a8bd", "#d6478f", "#7a8b2f", "#8a5a44", "#5b6b7a"),
)
STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": 150,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.15,
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of this project's figures; a user's own matplotlib settings come back after it."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def bare(axes: Axes) -> None:
    """No ticks, grid or frame: for pictures and maps."""
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def class_colours(count: int) -> list[Any]:
    """A colour for each class; a colour wheel when there are more than ten."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    wheel = matplotlib.colormaps["gist_rainbow"]
    return [wheel(i / count) for i in range(count)]


def run_directory(trainer: pl.Trainer) -> Path:
    """The run's own folder: the logger's, or the trainer's root. Every process must ask."""
    logger = trainer.logger
    if logger is None or isinstance(logger, TensorBoardLogger | CSVLogger):
        folder = trainer.log_dir
    elif logger.save_dir is None or logger.version is None:
        folder = trainer.strategy.broadcast(logger.save_dir)
    else:  # as ModelCheckpoint does; such a logger's save_dir is shared by runs
        version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
        folder = trainer.strategy.broadcast(str(Path(logger.save_dir) / str(logger.name) / version))
    return Path(folder or trainer.default_root_dir)


def is_trial(trainer: pl.Trainer) -> bool:
    """Whether this is a `fast_dev_run`, which leaves no files."""
    return bool(getattr(trainer, "fast_dev_run", False))


def publish(trainer: pl.Trainer, figure: Figure, name: str) -> Path | None:
    """Write a figure to `<run>/figures/<name>.png` and to loggers that take images.

    Every process must come here; only rank zero writes, and nothing in a `fast_dev_run`.

    Returns:
        The file, on rank zero.
    """
    folder = run_directory(trainer) / "figures"
    if not trainer.is_global_zero or is_trial(trainer):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    with style():
        figure.savefig(path)
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            pixels = matplotlib.image.imread(path)[..., :3]
            logger.experiment.add_image(name, pixels, trainer.global_step, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            logger.log_image(f"figures/{name}", [str(path)])
    return path


def written_files(trainer: pl.Trainer) -> list[Path]:
    """Files that the callbacks of this project wrote, in the order of the callbacks."""
    files: list[Path] = []
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        files += [path for path in getattr(callback, "written", []) if path not in files]
    return files
