"""The parser's errors, trees of refused alternatives, as one line with a hint."""

import re
from difflib import get_close_matches
from pydoc import locate

from metaug.settings.known_options import similar_option

_UNION = "Does not validate against any of the Union subtypes"
_WRAPPING = (_UNION, "Problem with given class_path ", 'Parser key "')
_NOISE = re.compile(
    rf"^({_UNION}|Subtypes: |Errors:|Given value type: "
    r"|Expected a <class 'NoneType'>|Expected a path but |Not a valid subclass of \w+$"
    r"|Subclass types expect|a class path \(str\)|a dict with)"
)


def below_the_parser(error: BaseException) -> BaseException:
    """The error that ended the construction of a class, below the parser's wrapping.

    Args:
        error: Any error; one that the parser did not wrap is returned as it is.
    """
    while error.__cause__ is not None and str(error).startswith(_WRAPPING):
        error = error.__cause__
    return error


def parser_message(text: str) -> str:
    """The parser's tree in one line: which key, what was wrong, what the user probably meant.

    Args:
        text: The message of an `ArgumentError`.

    Examples:
        >>> parser_message("unrecognized arguments: --trainer.max_ep=3")
        'unrecognized arguments: --trainer.max_ep=3; did you mean --trainer.max_epochs?'
    """
    keys: list[str] = []
    problems: list[str] = []
    owner = given = ""
    for line in text.splitlines():
        words = line.strip().removeprefix("- ")
        if key := re.fullmatch(r'Parser key "(.+)":', words):
            keys.append(key[1])
        elif problem := re.fullmatch(r"Problem with given class_path '(.+)':", words):
            owner = problem[1]
        elif words.startswith("Given value: "):
            given = words.removeprefix("Given value: ")
        elif words and not _NOISE.match(words) and words not in problems:
            problems.append(words)
    message = re.sub(r"<class '(?:builtins\.)?([\w.]+)'>", r"\1", "; ".join(problems) or text)
    if given and not owner and given not in message:
        message = f"{message}, got {given}"
    where = f"{'.'.join(keys)}: " if keys else ""
    message = where + message.replace("a typing.Literal", "one of ")
    return message + _hint(message, owner)


def _hint(message: str, owner: str) -> str:
    """What the user probably meant, for the messages that a typing error brings about."""
    if "required: " in message and message.endswith((".model", ".data")):
        return "; give a config, such as `--config digits.yaml` (`metaug configs` lists them)"
    if missing := re.fullmatch(r"(\w+): the following arguments are required: (\w+)", message):
        return f"; give it as --{missing[1]}.{missing[2]}=..."
    if refused := re.search(r"(?:([\w.]+): O|o)ption '([\w.+]+)'", message):
        return similar_option(refused[2], within=refused[1] or "", owner=owner)
    if refused := re.search(r"arguments: --([\w.+]+)", message):
        return similar_option(refused[1])
    if lacking := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        similar = get_close_matches(lacking[2], dir(locate(lacking[1])), n=1)
        return f"; did you mean {lacking[1]}.{similar[0]}?" if similar else ""
    return ""
