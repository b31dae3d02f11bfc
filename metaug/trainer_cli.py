"""LightningCLI for MetAug: any LightningModule and any data module, by `class_path`."""

import logging
import re
import warnings
from argparse import Action
from collections.abc import Sequence
from typing import Any

from jsonargparse import DefaultHelpFormatter
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

import metaug.callbacks
import metaug.datamodules
import metaug.lightning_modules  # known to the parser by their short names
from metaug.callbacks.checkpointing.stop_requests import StopRequests
from metaug.interrupt import ending_in_few_words
from metaug.launching import heed_several_processes, started_without_srun
from metaug.run_folder import (
    SaveRunConfig,
    check_readable,
    claim_folder,
    is_first_process,
    newest_checkpoint,
    remove_if_nothing_ran,
)

_SHOWN_CLASSES = 8


class ShortHelp(DefaultHelpFormatter):
    """Name MetAug's own classes where an argument takes any subclass, else only the first few."""

    def _expand_help(self, action: Action) -> str:
        text = super()._expand_help(action)
        return re.sub(r"known subclasses: ([\w., ]+)", _shorten, text)


def _shorten(subclasses: re.Match[str]) -> str:
    names = subclasses[1].split(", ")
    ours = [name for name in names if name.startswith("metaug.")]
    shown = ours or names[:_SHOWN_CLASSES]
    return f"known subclasses: {', '.join(shown)}{', ...' if len(shown) < len(names) else ''}"


class StrictParser(LightningArgumentParser):
    """A parser that raises instead of exiting and takes no abbreviated option."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        strict = {"exit_on_error": False, "allow_abbrev": False, "formatter_class": ShortHelp}
        super().__init__(*args, **{**strict, **kwargs})


class MetAugCLI(LightningCLI):
    """`fit`, `validate`, `test` and `predict` for a model and data that a config names.

    Args:
        args: Command, then options, as on the command line. The configs are real paths here.
    """

    def __init__(self, args: Sequence[str]) -> None:
        _quieten()
        super().__init__(
            model_class=LightningModule,
            datamodule_class=LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            save_config_callback=SaveRunConfig,
            parser_class=StrictParser,
            args=list(args),
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse without the warning that `sys.argv` holds arguments too: they are the same."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Leave the config as it is: it says what is built, the checkpoint only fills it."""

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Any]) -> Trainer:
        configured = _as_list(config.get("callbacks"))
        has_bar = any(isinstance(callback, ProgressBar) for callback in configured)
        if config.get("enable_progress_bar") is not False and not has_bar:
            callbacks = [*callbacks, metaug.callbacks.ProgressLine()]
        if started_without_srun():
            config["plugins"] = [*_as_list(config.get("plugins")), LightningEnvironment()]
        trainer = super()._instantiate_trainer(config, [*callbacks, StopRequests()])
        heed_several_processes(trainer)
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        folder = claim_folder(self.trainer.loggers)
        if subcommand != "fit":  # what a callback remembers of training is not asked for
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
        failed = True
        try:
            with ending_in_few_words():
                super()._run_subcommand(subcommand)
            failed = False
        finally:
            if folder is not None and is_first_process():
                remove_if_nothing_ran(folder, failed=failed)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if kwargs.get("ckpt_path") == "last":
            kwargs["ckpt_path"] = str(newest_checkpoint(self.trainer))
        elif kwargs.get("ckpt_path"):
            check_readable(kwargs["ckpt_path"])
        return kwargs


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _quieten() -> None:
    """Silence what a user of the command line can do nothing about; `warning_lines` undoes it."""
    # a resumed run has a folder of its own, by design
    warnings.filterwarnings("ignore", "The dirpath has changed from")
    # data without a validation split, and images in memory, are as they should be
    warnings.filterwarnings("ignore", "Total length of `list` across ranks is zero")
    warnings.filterwarnings("ignore", "The '.*' does not have many workers")
    # a frozen encoder that is evaluated is meant to be in evaluation mode
    warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")
    # Lightning's own use of torch
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).addFilter(_is_no_tip)


def _is_no_tip(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()
