"""Help texts without the dozens of classes that other libraries define."""

import re
from argparse import Action

from jsonargparse import DefaultHelpFormatter

_SHOWN = 8


class ShortHelp(DefaultHelpFormatter):
    """Name MetAug's own classes where an argument takes any subclass, else only the first few."""

    def _expand_help(self, action: Action) -> str:
        text = super()._expand_help(action)
        return re.sub(r"known subclasses: ([\w., ]+)", _shorten, text)


def _shorten(found: re.Match[str]) -> str:
    names = found[1].split(", ")
    ours = [name for name in names if name.startswith("metaug.")]
    shown = ours or names[:_SHOWN]
    return f"known subclasses: {', '.join(shown)}{', ...' if len(shown) < len(names) else ''}"
