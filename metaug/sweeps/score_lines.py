"""What a trial has told its sweep, read without torch."""

import json
from pathlib import Path
from typing import Any

VARIABLE = "METAUG_SWEEP"
"""Environment variable with what the sweep tells its trials, as JSON."""
CALLBACK = "metaug.sweeps.score_file.ScoreFile"
"""The callback that writes the lines."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What a trial has written; a line that was cut off is left out.

    Args:
        path: The file, which may not be there yet.
    """
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def scores(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scores in the order of training; what was trained again counts once, as it was last.

    Args:
        lines: Of `read_lines`.
    """
    by_step = {line["step"]: line for line in lines if "value" in line}
    return [by_step[step] for step in sorted(by_step)]
