"""The command `metaug`: what needs no torch is answered here, the rest by Lightning.

`metaug fit --config digits.yaml` goes through `trainer_cli.MetAugCLI`. Two things are settled
before: a config is found by its shipped name from any folder, and configs come before the other
arguments, so that an argument on the command line wins over a file wherever it stands.
"""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import metaug
from metaug.commands import NEED_OPTIONS, OTHER_COMMANDS
from metaug.help import COMMANDS, options_of
from metaug.interrupt import end_with_launcher
from metaug.options import configs_first, nulls_as_configs
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
    if command in OTHER_COMMANDS:
        module = import_module(f"metaug.commands.{command}")
        if any(option in ("-h", "--help") for option in options):
            print(module.USAGE, end="")
            return 0
        if not options and command in NEED_OPTIONS:
            print(module.USAGE, end="")
            return 2
        with warning_lines():
            return int(module.run(options))
    if command not in TRAINER_COMMANDS:
        raise ValueError(_wrong_command(arguments))
    if options in (["--help"], ["-h"]):
        print(options_of(command), end="")
        return 0
    if options == ["--help", "all"]:
        options = ["--help"]
    end_with_launcher()
    from metaug.trainer_cli import MetAugCLI  # takes seconds: torch, Lightning

    with warning_lines():
        MetAugCLI(args=[command, *nulls_as_configs(configs_first(options))])
    return 0


def _wrong_command(arguments: list[str]) -> str:
    commands = (*TRAINER_COMMANDS, *OTHER_COMMANDS)
    command = next((word for word in arguments if word in commands), None)
    if command is not None:
        others = [word for word in arguments if word != command]
        return f"the command comes first: metaug {' '.join([command, *others])}"
    similar = get_close_matches(arguments[0], commands, n=1)
    hint = f"did you mean `metaug {similar[0]}`?" if similar else f"commands: {', '.join(commands)}"
    return f"there is no command {arguments[0]!r}; {hint}"
