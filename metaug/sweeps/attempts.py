"""Who trains a trial: a file for each attempt at it, which its sweep keeps fresh.

Several `metaug sweep` on one folder, on one machine or on several that share a disk, take a trial
only where nobody else has it. A sweep that was killed cannot say so: on its own machine its process
is seen to be gone, elsewhere its file is no longer fresh.
"""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaug.runs.status import process_mark, this_machine

FRESH = 60.0
"""Seconds after which an attempt that nobody refreshed is given up; above `interrupt.GRACE`."""
BEAT = 5.0
"""Seconds between two refreshments."""


@dataclass
class Attempt:
    """One attempt at a trial.

    Args:
        path: Its file, `<trial>/attempt_k.json`.
        number: Its number, from 1 on.
    """

    path: Path
    number: int
    _beat: float = 0.0

    @property
    def log(self) -> Path:
        """What the trial's process prints."""
        return self.path.with_suffix(".log")

    def note(self, process: int) -> None:
        """Write down the trial's process, and who started it."""
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(_note(process)), encoding="utf-8")
        whole.replace(self.path)

    def refresh(self) -> bool:
        """Keep it fresh; whether it is still this sweep's."""
        if time.monotonic() - self._beat > BEAT:
            self._beat = time.monotonic()
            os.utime(self.path)
            return last_attempt(self.path.parent) == self.number
        return True


def claim(folder: Path) -> Attempt:
    """Begin the next attempt at a trial.

    Args:
        folder: The trial's folder.

    Raises:
        FileExistsError: Somebody else has just done so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = last_attempt(folder) + 1
    path = _file(folder, number)
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(_note(None)))
    return Attempt(path, number)


def last_attempt(folder: Path) -> int:
    """The number of the last attempt at a trial; 0 where there was none."""
    return len(list(folder.glob("attempt_*.json")))


def state(folder: Path) -> str:
    """Whether a trial that has not ended is `free`, `ending` with its sweep, or `taken`.

    Args:
        folder: The trial's folder.
    """
    path = _file(folder, last_attempt(folder))
    if not path.is_file():
        return "free"
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # being written
        note = {"machine": None}
    if note["machine"] and note["machine"] == this_machine():
        if _lives(note["sweep"]):
            return "taken"
        return "ending" if _lives(note["trial"]) else "free"
    pulse = folder.parent / f".now_{socket.gethostname()}_{os.getpid()}"
    pulse.touch()  # the time of the disk, which may be another machine's
    age = pulse.stat().st_mtime - path.stat().st_mtime
    pulse.unlink()
    return "free" if age > FRESH else "taken"


def seconds(folder: Path) -> float:
    """Time that all attempts at a trial took together, in seconds."""
    total = 0.0
    for path in folder.glob("attempt_*.json"):
        try:
            began = json.loads(path.read_text(encoding="utf-8"))["began"]
        except ValueError:
            continue
        total += max(path.stat().st_mtime - began, 0)
    return total


def _file(folder: Path, number: int) -> Path:
    return folder / f"attempt_{number}.json"


def _note(process: int | None) -> dict[str, Any]:
    return {
        "machine": this_machine(),
        "sweep": [os.getpid(), process_mark(os.getpid())],
        "trial": None if process is None else [process, process_mark(process)],
        "began": time.time(),
    }


def _lives(process: list[Any] | None) -> bool:
    if process is None:
        return False
    number, mark = process
    return mark is not None and process_mark(number) == mark
