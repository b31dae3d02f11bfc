"""LightningCLI for MetAug: any LightningModule and any data module, by `class_path`."""

import logging
import re
import warnings
from argparse import Action
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import yaml
from jsonargparse import DefaultHelpFormatter, Namespace
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
from metaug.lightning_modules.checkpoints.weights_to_come import weights_to_come
from metaug.lightning_modules.training.checks import check_precision
from metaug.run_folder import (
    SaveRunConfig,
    check_readable,
    claim_folder,
    is_first_process,
    newest_checkpoint,
    remove_if_nothing_ran,
)
from metaug.run_summary import describe
from metaug.runs.status_file import StatusFile
from metaug.settings.before_the_run import (
    check_evaluation,
    check_monitors,
    check_trainer,
    expand_paths,
    fill_images,
    fill_seeds,
    left_out,
    move_runs,
    shorten_warm_up,
)
from metaug.settings.config_layers import gives_seed, read_layers, short, stale_backbone_args
from metaug.settings.list_entries import Change, change_callbacks, change_loggers, take_changes
from metaug.settings.same_run import difference

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
        """Parse, and then change the entries of lists; see `list_entries`."""
        command, *given = args
        options, callbacks, loggers = take_changes(given)
        self.layers = read_layers(options)
        if (stale := stale_backbone_args(self.layers)) is not None:
            _say(
                f"backbone_args {stale[1]} were made for {stale[0]} and are left out; "
                "--model.encoder.backbone_args gives the new backbone some"
            )
            options += ["--config", '{"model": {"encoder": {"backbone_args": null}}}']
        shown = [option for option in options if option.startswith("--print_config")]
        if shown and (callbacks or loggers):
            options = [option for option in options if option not in shown]
        self.config = parser.parse_args([command, *options])
        self._change_entries(command, callbacks, loggers)
        if shown:
            settings = self.config[command].clone()
            settings.pop("config", None)
            flags = shown[-1].partition("=")[2].split(",")
            text = self._parser(command).dump(
                settings, skip_none="skip_null" in flags, skip_default="skip_default" in flags
            )
            print(text, end="")
            raise SystemExit(0)

    def _change_entries(self, command: str, callbacks: list[Change], loggers: list[Change]) -> None:
        """Change callbacks and loggers in the config, which the parser then checks."""
        settings, parser = self.config[command], self._parser(command)
        changed: dict[str, Any] = {}
        if callbacks:
            changed["callbacks"] = change_callbacks(_entries(settings.trainer.callbacks), callbacks)
        if loggers:
            changed["logger"] = _entries(settings.trainer.logger)
            change_loggers(changed["logger"], loggers)
        if changed:
            self.config[command] = parser.parse_object({"trainer": changed}, settings)

    def _parse_ckpt_path(self) -> None:
        """Leave the config as it is: it says what is built, the checkpoint only fills it."""

    def before_instantiate_classes(self) -> None:
        """Fill in what follows from other settings: paths, seeds, what images the encoder takes."""
        settings = self.config[self.subcommand]
        expand_paths(settings)
        trainer = settings.trainer
        check_trainer(trainer)
        move_runs(trainer.default_root_dir, _as_list(trainer.logger), _as_list(trainer.callbacks))
        if line := shorten_warm_up(settings, lambda key: short(key) in self.layers[-1]):
            _say(line)
        if not isinstance(seed := settings.seed_everything, bool):
            fill_seeds(settings, seed, lambda key: gives_seed(self.layers, short(key)))
        encoder = (settings.model.get("init_args") or Namespace()).get("encoder")
        if isinstance(encoder, Namespace):
            parser = self._parser(self.subcommand)
            fill_images(encoder, parser.instantiate_classes(Namespace(data=settings.data)).data)

    def instantiate_classes(self) -> None:
        """Build all; networks that a checkpoint will fill do not read what they started from."""
        filled = self.config[self.subcommand].get("ckpt_path")
        with weights_to_come() if filled else nullcontext():
            super().instantiate_classes()

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Any]) -> Trainer:
        if isinstance(self.model, metaug.lightning_modules.MetAug):
            check_precision(Namespace(config))  # on a CPU Lightning exchanges it for another one
        configured = _as_list(config.get("callbacks"))
        useless = left_out(
            configured,
            checkpointing=config.get("enable_checkpointing"),
            logger=config.get("logger"),
        )
        if useless:
            names = ", ".join(type(callback).__name__ for callback in useless)
            _say(f"without checkpoints or loggers, as asked for, there is no {names}")
            config["callbacks"] = [each for each in configured if each not in useless]
        has_bar = any(isinstance(callback, ProgressBar) for callback in configured)
        if config.get("enable_progress_bar") is not False and not has_bar:
            callbacks = [*callbacks, metaug.callbacks.ProgressLine(refresh_rate=10)]
        if started_without_srun():
            config["plugins"] = [*_as_list(config.get("plugins")), LightningEnvironment()]
        trainer = super()._instantiate_trainer(config, [*callbacks, StopRequests(), StatusFile()])
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
            settings = yaml.safe_load(
                self._parser(subcommand).dump(self.config[subcommand], skip_none=False)
            )
            newest = newest_checkpoint(self.trainer, lambda path: difference(path, settings))
            kwargs["ckpt_path"] = str(newest)
        elif kwargs.get("ckpt_path"):
            check_readable(kwargs["ckpt_path"])
        if subcommand == "fit":
            check_monitors(self.trainer.callbacks)  # type: ignore[attr-defined]
            overrides = {key: value for key, value in self.layers[-1].items() if "." in key}
            _say(describe(self.model, self.datamodule, self.trainer.world_size, overrides))
        else:
            callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
            check_evaluation(subcommand, self.model, kwargs.get("ckpt_path"), callbacks)
        return kwargs


def _as_list(value: Any) -> list[Any]:
    return [one for one in (value if isinstance(value, list) else [value]) if one]


def _entries(value: Any) -> list[dict[str, Any]]:
    """Entries of the config as plain data; none of a switch such as `logger: false`."""
    return [entry.as_dict() for entry in _as_list(value) if isinstance(entry, Namespace)]


def _say(line: str) -> None:
    if is_first_process():
        print(line, flush=True)


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
