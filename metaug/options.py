"""The options of a command: made ready for Lightning's parser, and a parser of our own."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, NoReturn

from metaug.settings.config_layers import read_config
from metaug.shipped_configs import find_config


def configs_first(options: Sequence[str]) -> list[str]:
    """The options with every `--config` moved to the front, in order, and found by name.

    Args:
        options: What follows the command.

    Raises:
        FileNotFoundError: A config is neither a file nor a shipped name.
        ValueError: `--config` stands last, without a value, or the file is not YAML.
    """
    configs: list[str] = []
    others: list[str] = []
    remaining = iter(options)
    for option in remaining:
        flag, equals, value = option.partition("=")
        if flag not in ("--config", "-c"):
            others.append(option)
            continue
        if not equals:
            value = next(remaining, "")
        if not value:
            raise ValueError("--config needs the path or the shipped name of a YAML file")
        config = find_config(value)
        read_config(config)
        configs += ["--config", str(config)]
    return configs + others


def nulls_as_configs(options: Sequence[str]) -> list[str]:
    """The options with every `--model.….key null` as an inline config that says the same.

    The parser takes null for the text "None" where components are nested in components. `None`, as
    wandb's agent writes it, is null too, for the trainer as well.

    Args:
        options: What follows the command.

    Examples:
        >>> nulls_as_configs(["--model.init_args.generator", "null", "--trainer.max_epochs=1"])
        ['--config', '{"model": {"init_args": {"generator": null}}}', '--trainer.max_epochs=1']
    """
    result: list[str] = []
    remaining = list(options)
    while remaining:
        option = remaining.pop(0)
        flag, equals, value = option.partition("=")
        if not equals and remaining:
            value = remaining[0]
        is_setting = flag.startswith(("--model.", "--data.", "--trainer."))
        if not is_setting or value not in ("null", "None"):
            result.append(option)
            continue
        if not equals:
            remaining.pop(0)
        setting: Any = None
        for key in reversed(flag.removeprefix("--").split(".")):
            setting = {key: setting}
        result += ["--config", json.dumps(setting)]
    return result


class OptionParser(ArgumentParser):
    """Takes whole names of options only, and raises where argparse would exit.

    Args:
        command: `metaug <command>`, whose help it names.

    Examples:
        >>> OptionParser("runs").parse_args(["--no_such"])
        Traceback (most recent call last):
        ...
        ValueError: unrecognized arguments: --no_such; `metaug runs --help` shows the options
    """

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"metaug {command}", add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise a ValueError."""
        raise ValueError(f"{message}; `{self.prog} --help` shows the options")
