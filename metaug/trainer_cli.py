"""LightningCLI for MetAug: any LightningModule and any data module, by `class_path`."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

import metaug.callbacks
import metaug.datamodules
import metaug.lightning_modules  # known to the parser by their short names
from metaug.help_format import ShortHelp
from metaug.interrupt import finish_step_on_interrupt
from metaug.run_folder import (
    SaveRunConfig,
    claim_folder,
    is_first_process,
    newest_checkpoint,
    remove_if_nothing_ran,
)


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
        given = config.get("callbacks") or []
        given = given if isinstance(given, list) else [given]
        wanted = config.get("enable_progress_bar") is not False
        if wanted and not any(isinstance(each, ProgressBar) for each in given):
            callbacks = [*callbacks, metaug.callbacks.ProgressLine()]
        return super()._instantiate_trainer(config, callbacks)

    def _run_subcommand(self, subcommand: str) -> None:
        folder = claim_folder(self.trainer.loggers)
        if subcommand != "fit":  # what a callback remembers of training is not asked for
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
        failed = True
        try:
            with finish_step_on_interrupt(self.trainer):
                super()._run_subcommand(subcommand)
            failed = False
        finally:
            if folder is not None and is_first_process():
                remove_if_nothing_ran(folder, failed=failed)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if kwargs.get("ckpt_path") == "last":
            kwargs["ckpt_path"] = str(newest_checkpoint(self.trainer))
        return kwargs


def _quieten() -> None:
    """Silence what a user of the command line can do nothing about."""
    # a resumed run has a folder of its own, by design
    warnings.filterwarnings("ignore", "The dirpath has changed from")
    # a frozen encoder that is evaluated is meant to be in evaluation mode
    warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")
    # Lightning's own use of torch
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda record: "Tip:" not in record.getMessage())
