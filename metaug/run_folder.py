"""The folder of one run, `<save_dir>/<name>/<version>`: what is saved there and found again."""

import sys
from collections.abc import Callable, Iterable
from glob import glob
from pathlib import Path

import yaml
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from metaug.callbacks import run_directory

_WRITTEN_AT_ONCE = ("events.out.tfevents", "hparams.yaml")


def runs_folder(trainer: Trainer) -> Path | None:
    """The folder that holds the runs of this config, or None for a trainer without a logger."""
    if not trainer.loggers:
        return None
    logger = trainer.loggers[0]
    return Path(logger.save_dir or trainer.default_root_dir) / str(logger.name)


def is_first_process() -> bool:
    """Whether this is the process that writes files, before a trainer is there to ask."""
    return getattr(rank_zero_only, "rank", 0) == 0


def claim_folder(loggers: Iterable[Logger]) -> Path | None:
    """Make a new `version_k` that no other run has, and let all file loggers write there.

    Otherwise runs that start together take the same folder, and of two loggers the second finds
    the `version_0` of the first and goes to a `version_1` of its own.

    Args:
        loggers: A trainer's loggers.

    Returns:
        The folder, still empty, or None where no logger numbers its runs.
    """
    numbered = [
        logger
        for logger in loggers
        if isinstance(logger, TensorBoardLogger | CSVLogger) and logger._version is None
    ]
    if not numbered:
        return None
    folder = Path(numbered[0].log_dir)
    while is_first_process():
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            numbered[0]._version = None  # look again
            folder = Path(numbered[0].log_dir)
    for logger in numbered[1:]:
        logger._version = numbered[0].version
    return folder


def remove_if_nothing_ran(folder: Path, *, failed: bool) -> None:
    """Remove the folder of a run that never started, and then empty parents.

    Args:
        folder: What `claim_folder` made.
        failed: Whether the run ended with an error; then it is enough that the folder holds only
            what loggers write when they are made.
    """
    files = list(folder.iterdir()) if folder.is_dir() else []
    if failed and all(file.name.startswith(_WRITTEN_AT_ONCE) for file in files):
        for file in files:
            file.unlink()
    for emptied in (folder, *folder.parents[:2]):
        try:
            emptied.rmdir()
        except OSError:
            return


def newest_checkpoint(
    trainer: Trainer, difference: Callable[[Path], str | None] = lambda path: None
) -> Path:
    """The `last.ckpt` that was written last by any earlier run of this config.

    Args:
        trainer: A trainer that the config describes.
        difference: What makes a checkpoint one of another config, or None for this one.

    Raises:
        FileNotFoundError: No earlier run left one.
        ValueError: Only runs of another config did.
    """
    runs = runs_folder(trainer)
    folders = [runs / "*" / "checkpoints"] if runs is not None else []
    folders += [
        Path(callback.dirpath)
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is not None
    ]
    checkpoints = [Path(path) for folder in folders for path in glob(str(folder / "last*.ckpt"))]
    if not checkpoints:
        raise FileNotFoundError(
            f"no last.ckpt to take up in {', '.join(map(str, folders)) or 'any logger folder'}; "
            "run without --ckpt_path, or give the path of a checkpoint"
        )
    others: list[str] = []
    for path in sorted(checkpoints, key=lambda path: path.stat().st_mtime, reverse=True):
        if (reason := difference(path)) is None:
            if others:
                print(f"taking up {path}; newer ones are of another config", file=sys.stderr)
            return path
        others.append(f"{path} is of another config ({reason})")
    raise ValueError(f"no run of this config to take up: {others[0]}")


class SaveRunConfig(SaveConfigCallback):
    """Save the config into the run's own folder, and give it to the loggers, once training starts.

    A run that fails before its first batch leaves nothing, and no run looks at another's config.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the module and the data from logging their part of the config a second time."""
        for part in (pl_module, getattr(trainer, "datamodule", None)):
            if part is not None:
                part._log_hyperparams = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `config.yaml` on the first process; a wandb run gets it as its file too."""
        folder = run_directory(trainer)
        if not trainer.loggers or not trainer.is_global_zero:
            return
        text = self.parser.dump(self.config, skip_none=False)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.config_filename).write_text(text, encoding="utf-8")
        for logger in trainer.loggers:
            logger.log_hyperparams(yaml.safe_load(text))
            if isinstance(logger, WandbLogger):
                # wandb keeps a config.yaml in a form of its own there
                wandb_files = Path(logger.experiment.dir)
                if wandb_files.is_dir():  # not of a disabled run
                    (wandb_files / "metaug.yaml").write_text(text, encoding="utf-8")
