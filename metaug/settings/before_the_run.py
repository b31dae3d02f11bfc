"""What the command line refuses, fills in and leaves out before a run begins."""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import LightningModule
from pytorch_lightning.callbacks import (
    Callback,
    Checkpoint,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    ProgressBar,
)

from metaug.lightning_modules import FineTuner, LinearEvaluator, MetAug
from metaug.lightning_modules.arguments.ranges import check_number
from metaug.lightning_modules.checkpoints.rebuildable import constructor_arguments

_TRAINER_RANGES: dict[str, dict[str, Any]] = {
    "val_check_interval": {"above": 0},
    "check_val_every_n_epoch": {"at_least": 1},
    "log_every_n_steps": {"at_least": 0},
    "gradient_clip_val": {"at_least": 0},
    "accumulate_grad_batches": {"at_least": 1},
    "min_epochs": {"at_least": 0},
    "min_steps": {"at_least": 0},
    "reload_dataloaders_every_n_epochs": {"at_least": 0},
}
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def expand_paths(config: Namespace) -> None:
    """Put the home folder and the environment's variables into paths, once and for all.

    Args:
        config: The settings of a run; texts that begin with `~`, or hold `$NAME` as the beginning
            of a part of a path, are changed in place.

    Raises:
        ValueError: The environment has no such variable.
    """
    for key, value in list(config.items()):
        if isinstance(value, str):
            config[key] = _expanded(key, value)
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, Namespace):
                    expand_paths(entry)


def _expanded(key: str, value: str) -> str:
    if not value.startswith(("~", "$")) and "/$" not in value:
        return value
    path = os.path.expanduser(os.path.expandvars(value))
    if unknown := _VARIABLE.search(path):
        name = unknown[1] or unknown[2]
        raise ValueError(f"{key}={value}: the environment has no variable {name}")
    return path


def check_trainer(config: Namespace) -> None:
    """Check numbers that Lightning takes in and later divides by, or makes nothing of.

    Args:
        config: The trainer's settings.

    Raises:
        ValueError: One is out of its range.
    """
    for name, bounds in _TRAINER_RANGES.items():
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            check_number(f"trainer.{name}", value, **bounds)


def move_runs(root: str | None, loggers: Iterable[Any], callbacks: Iterable[Any]) -> None:
    """Let relative folders of loggers and checkpoints lie in the trainer's `default_root_dir`.

    Args:
        root: That folder, or None for the present one.
        loggers: Entries of the config; changed in place.
        callbacks: Likewise.
    """
    if root is None:
        return
    for entries, key in ((loggers, "save_dir"), (callbacks, "dirpath")):
        for entry in entries:
            folder = (entry.get("init_args") or {}).get(key)
            if not isinstance(folder, str) or "://" in folder:
                continue
            if not Path(folder).is_relative_to(root):
                entry["init_args"][key] = str(Path(root) / folder)


def shorten_warm_up(config: Namespace, is_typed: Callable[[str], bool]) -> str | None:
    """Shorten the warm-up of a config for a run that arguments make shorter than that.

    Args:
        config: The settings of a run; changed in place.
        is_typed: Whether the setting of a key stands on the command line.

    Returns:
        What was done, for the user, or None.
    """
    epochs = config.trainer.max_epochs
    if not is_typed("trainer.max_epochs") or not isinstance(epochs, int) or epochs < 1:
        return None
    keys = [
        key
        for key, value in config.items()
        if key.startswith("model.") and key.endswith(".warmup_epochs") and (value or 0) > epochs
    ]
    keys = [key for key in keys if not is_typed(key)]
    for key in keys:
        config[key] = float(epochs)
    names = ", ".join(key.removeprefix("model.init_args.") for key in keys)
    return f"{names} cut to the {epochs} epoch(s) of this run" if keys else None


def fill_seeds(config: Namespace, seed: int, is_given: Callable[[str], bool]) -> None:
    """Let the seeds of model and data, of any of their parts, be that of `seed_everything`.

    Args:
        config: The settings of a run; changed in place.
        seed: That seed.
        is_given: Whether a seed of that key was set by the user.
    """
    for key, value in list(config.items()):
        is_seed = key.startswith(("model.", "data.")) and key.endswith(".init_args.seed")
        if is_seed and value is not None and not is_given(key):
            config[key] = seed


def fill_images(encoder: Any, data: Any) -> None:
    """Let an encoder that leaves open what images it takes take those of the data.

    Args:
        encoder: Its entry in the config; changed in place.
        data: The data module.
    """
    arguments = encoder.get("init_args") if isinstance(encoder, Namespace) else None
    for key in ("image_channels", "image_size"):
        told = getattr(data, key, None)
        if arguments is not None and key in arguments and arguments[key] is None and told:
            arguments[key] = told


def left_out(callbacks: list[Callback], *, checkpointing: Any, logger: Any) -> list[Callback]:
    """The callbacks that a run without checkpoints or loggers has no use for.

    Args:
        callbacks: Those of the config.
        checkpointing: `enable_checkpointing`; None for true.
        logger: The trainer's; None is one of Lightning's own.
    """
    useless: tuple[type, ...] = (Checkpoint,) if checkpointing is False else ()
    if logger is False or logger == []:
        useless += (LearningRateMonitor, DeviceStatsMonitor)
    return [callback for callback in callbacks if isinstance(callback, useless)]


def check_evaluation(
    command: str, model: LightningModule, ckpt_path: Any, callbacks: Iterable[Callback]
) -> None:
    """Refuse scores of a network that nothing was loaded into, and predictions that nobody takes.

    Args:
        command: `validate`, `test` or `predict`.
        model: What is evaluated.
        ckpt_path: The checkpoint, or None.
        callbacks: Those of the trainer.

    Raises:
        ValueError: Saying what is missing.
    """
    is_trained = isinstance(model, MetAug | LinearEvaluator | FineTuner)
    if is_trained and not ckpt_path and not _is_pretrained(model):
        raise ValueError(
            f"metaug {command} would take an untrained {type(model).__name__}; give it "
            "--ckpt_path CHECKPOINT, or --ckpt_path last for the newest run of this config"
        )
    if command == "predict" and not any(map(_takes_predictions, callbacks)):
        raise ValueError(
            "metaug predict has nobody to give the features to; add --config features.yaml, which "
            "writes them to features.npz, or a callback of your own"
        )


def check_monitors(callbacks: Sequence[Callback]) -> None:
    """Refuse to watch a score in every validation that its probe takes in some alone.

    Args:
        callbacks: Those of the trainer.

    Raises:
        ValueError: Naming the probe.
    """
    every = {
        getattr(callback, "name", ""): callback
        for callback in callbacks
        if getattr(callback, "every_n_epochs", 1) > 1 and not isinstance(callback, Checkpoint)
    }
    for callback in callbacks:
        monitored = getattr(callback, "monitor", None)
        if isinstance(callback, EarlyStopping | ModelCheckpoint) and monitored in every:
            probe = type(every[monitored]).__name__
            raise ValueError(
                f"{type(callback).__name__} monitors {monitored} in every validation, and {probe} "
                f"takes it every {every[monitored].every_n_epochs} epochs; set "  # type: ignore[attr-defined]
                f"--callbacks.{probe}.every_n_epochs 1"
            )


def _is_pretrained(model: Any) -> bool:
    return isinstance(model, MetAug) and bool(
        constructor_arguments(model.encoder).get("pretrained")
    )


def _takes_predictions(callback: Callback) -> bool:
    hooks = ("on_predict_batch_end", "on_predict_epoch_end", "on_predict_end")
    return not isinstance(callback, ProgressBar) and any(
        inspect.getattr_static(type(callback), hook) is not getattr(Callback, hook)
        for hook in hooks
    )
