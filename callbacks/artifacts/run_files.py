"""Where the files of a run go, and which were written."""

from pathlib import Path

import matplotlib.image
import pytorch_lightning as pl
from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from ..plotting.style import style


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


def publish(trainer: pl.Trainer, figure: Figure, name: str) -> list[Path]:
    """Write a figure to `<run>/figures/<name>.png` and to loggers that take images.

    Every process must come here; only rank zero writes, and nothing in a `fast_dev_run`.

    Returns:
        The file, on rank zero; nothing elsewhere.
    """
    folder = run_directory(trainer) / "figures"
    if not trainer.is_global_zero or is_trial(trainer):
        return []
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
    return [path]


def written_files(trainer: pl.Trainer) -> list[Path]:
    """Files that the callbacks of this project wrote, in the order of the callbacks."""
    files: list[Path] = []
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        files += [path for path in getattr(callback, "written", []) if path not in files]
    return files


def files_of(trainer: pl.Trainer) -> dict[str, str]:
    """Paths of what a fit wrote, by kind; every process must ask."""
    folder = run_directory(trainer)
    written: dict[str, str] = {}
    for checkpoint in trainer.checkpoint_callbacks:
        paths = [
            getattr(checkpoint, "last_model_path", ""),
            getattr(checkpoint, "best_model_path", ""),
        ]
        for path in filter(None, paths):
            written.setdefault("checkpoint", _short(Path(path)))
    if (folder / "config.yaml").exists():
        written["config"] = _short(folder / "config.yaml")
    files = written_files(trainer)
    figures = [path for path in files if path.parent.name == "figures"]
    if figures:
        names = ", ".join(path.name for path in figures)
        written["figures"] = f"{_short(figures[0].parent)}/: {names}"
    for path in files:
        if path not in figures:
            name = path.stem.replace("_", " ")
            written[name] = f"{written[name]}, {path.name}" if name in written else _short(path)
    if trainer.logger is not None and folder.exists():
        written["logs"] = _short(folder)
    return written


def _short(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
