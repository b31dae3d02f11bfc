"""The command of a trial: what the sweep file gives `metaug fit`, without the server's part."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metaug.settings.config_layers import settings, short
from metaug.sweeps.parameters import as_text

_BEFORE_FIT = ("${env}", "${interpreter}", "${program}", "python", "-m", "metaug")
_OF_THE_SERVER = ("wandb.yaml", "wandb")
_SET_BY_THE_SWEEP = {
    "trainer.default_root_dir": "--folder FOLDER moves the whole sweep",
    "ckpt_path": "trials that were interrupted are taken up by themselves",
}


def fit_options(command: Any, program: Any = None) -> list[str]:
    """What a sweep file's command gives `metaug fit`, but for `${args}` and the overlay of wandb.

    Args:
        command: The command of the file, words as wandb's agent takes them.
        program: The program of the file.

    Raises:
        ValueError: It runs something else, or has a word of wandb's that is not supported.

    Examples:
        >>> fit_options(["${env}", "-m", "metaug", "fit", "--config", "wandb.yaml", "--a=1"])
        ['--a=1']
    """
    example = '["${env}", "${interpreter}", -m, metaug, fit, --config, digits.yaml, "${args}"]'
    if not isinstance(command, list):
        raise ValueError(f"command must be a list such as {example}, got {command!r}")
    words = [str(word) for word in command]
    before = words[: words.index("fit")] if "fit" in words else []
    runs_metaug = "metaug" in before or ("${program}" in before and program == "metaug")
    if not runs_metaug or not set(before) <= set(_BEFORE_FIT):
        raise ValueError(f"command must run `metaug fit`, such as {example}, got {' '.join(words)}")
    options = [word for word in words[len(before) + 1 :] if word != "${args}"]
    for word in options:
        if "${" in word:
            raise ValueError(f"command: {word} is not supported; ${{args}} is")
    return _without_wandb(options)


def _without_wandb(options: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for word in options:
        name = Path(word.partition("=")[2] or word).name
        if name not in _OF_THE_SERVER:
            kept.append(word)
        elif kept and kept[-1] in ("--config", "-c"):
            kept.pop()
    return kept


def check_options(options: Sequence[str], swept: Iterable[str]) -> None:
    """Refuse options of the command line that a sweep sets itself.

    Args:
        options: What the user gave for all trials.
        swept: Names of the sweep's parameters and constants.

    Raises:
        ValueError: Naming the option.
    """
    names = {short(name): name for name in swept}
    for flag, value in settings(options):
        key = short(flag.removeprefix("--"))
        if key in _SET_BY_THE_SWEEP:
            raise ValueError(f"{flag} {value}: a sweep sets it; {_SET_BY_THE_SWEEP[key]}")
        if key in names:
            raise ValueError(
                f"{flag} {value}: the sweep file has it under parameters; "
                "change it there, or leave it out here"
            )


def arguments(setting: Mapping[str, Any]) -> list[str]:
    """A setting as arguments of the command line.

    Examples:
        >>> arguments({"model.generator": None, "model.meta.inner_lr": 0.01})
        ['--model.generator=null', '--model.meta.inner_lr=0.01']
    """
    return [f"--{name}={as_text(value)}" for name, value in setting.items()]
