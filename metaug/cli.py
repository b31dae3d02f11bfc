"""The command `metaug`: what needs no torch is answered here, the rest by Lightning.

`metaug fit --config digits.yaml` goes through `trainer_cli.MetAugCLI`. Two things are settled
before: a config is found by its shipped name from any folder, and configs come before the other
arguments, so that an argument on the command line wins over a file wherever it stands.
"""

import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import metaug
from metaug.help import COMMANDS, STATISTICS, options_of
from metaug.interrupt import end_with_launcher
from metaug.settings.config_layers import read_config
from metaug.shipped_configs import find_config, purpose, shipped_configs
from metaug.user_errors import explain, how_to_trace, warning_lines

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows `metaug`; by default what the shell gave.

    Returns:
        The exit code: 0, or 2 after a user's error, which is explained on stderr.
    """
    if arguments is None and not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())  # classes of one's own, as `python -m metaug` finds them
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except Exception as error:
        message = explain(error)
        if message is None or os.environ.get("METAUG_TRACEBACK"):
            raise
        print(f"metaug: error: {message}\nmetaug: {how_to_trace(error)}", file=sys.stderr)
        return 2


def _run(arguments: list[str]) -> int:
    command, options = arguments[0] if arguments else "", arguments[1:]
    if command in ("", "-h", "--help"):
        print(COMMANDS, end="")
        return 0 if arguments else 2
    if command == "--version":
        print(f"metaug {metaug.__version__}")
        return 0
    if command == "configs":
        with warning_lines():
            return _configs(options)
    if command == "statistics":
        return _statistics(options)
    if command not in TRAINER_COMMANDS:
        raise ValueError(_wrong_command(arguments))
    if options in (["--help"], ["-h"]):
        print(options_of(command), end="")
        return 0
    if options == ["--help", "all"]:
        options = ["--help"]
    end_with_launcher()
    if os.environ.get("METAUG_LIGHTNING"):
        metaug.use_lightning()
    from metaug.trainer_cli import MetAugCLI  # takes seconds: torch, Lightning

    with warning_lines():
        MetAugCLI(args=[command, *nulls_as_configs(configs_first(options))])
    return 0


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


def _statistics(options: list[str]) -> int:
    if not options or any(option in ("-h", "--help") for option in options):
        print(STATISTICS, end="")
        return 0 if options else 2
    from metaug.data_statistics import write_statistics  # takes seconds: torch, Lightning

    with warning_lines():
        write_statistics(nulls_as_configs(configs_first(options)))
    return 0


def _configs(names: list[str]) -> int:
    if any(name in ("-h", "--help") for name in names):
        print("usage: metaug configs [[--path] NAME]\n")
        print("List the shipped configs; print one of them, or its path.")
    elif names[:1] == ["--path"]:
        for name in names[1:]:
            print(find_config(name).resolve())
    elif names:
        for name in names:
            print(find_config(name).read_text(encoding="utf-8"), end="")
    else:
        shipped = shipped_configs()
        width = max(map(len, shipped), default=0)
        for name, path in shipped.items():
            print(f"{name:<{width}}  {purpose(path)}")
    return 0


def _wrong_command(arguments: list[str]) -> str:
    commands = (*TRAINER_COMMANDS, "statistics", "configs")
    command = next((word for word in arguments if word in commands), None)
    if command is not None:
        others = [word for word in arguments if word != command]
        return f"the command comes first: metaug {' '.join([command, *others])}"
    similar = get_close_matches(arguments[0], commands, n=1)
    hint = f"did you mean `metaug {similar[0]}`?" if similar else f"commands: {', '.join(commands)}"
    return f"there is no command {arguments[0]!r}; {hint}"
