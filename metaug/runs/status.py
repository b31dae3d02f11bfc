"""The file `status.json` of a run: what it is at, written by the run itself, and whether it lives.

A run cannot say that it was killed. So the file names its process: one that says "running" and
whose process is gone was killed. On another machine, where processes cannot be asked for, its age
tells: the run touches it every `PULSE` seconds.
"""

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

FILE = "status.json"
PULSE = 30.0
"""Seconds between two signs of life."""
SILENCE = 600.0
"""Seconds without one after which a run on another machine is `silent`."""


@dataclass
class EpochTimes:
    """Columns of a table with a row for each epoch that this process completed.

    Args:
        epoch: Number of epochs that are complete, from 1.
        step: Steps of all optimizers, as Lightning counts them.
        seconds: Since training began, validation and probes included.
        training_seconds: The same without them.
    """

    epoch: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    training_seconds: list[float] = field(default_factory=list)


@dataclass
class Status:
    """What a run says of itself.

    Args:
        state: `running`, `finished`, `stopped` or `failed`.
        command: The command that started it.
        version: Version of this package.
        started: When, in seconds since 1970.
        seconds: How long it ran until it wrote this.
        epoch: Number of epochs that are complete.
        step: Steps of all optimizers.
        machine: Of its first process; see `this_machine`.
        pid: Number of that process.
        process: What tells it from a later one of that number; see `process_mark`.
        device: What it ran on.
        processes: How many processes it had.
        resumed_from: The checkpoint that it went on from, or None.
        reason: Why it stopped or failed.
        epochs: Times of its epochs.
    """

    state: str
    command: str
    version: str
    started: float
    seconds: float = 0.0
    epoch: int = 0
    step: int = 0
    machine: str = ""
    pid: int = 0
    process: str | None = None
    device: str = ""
    processes: int = 1
    resumed_from: str | None = None
    reason: str = ""
    epochs: EpochTimes = field(default_factory=EpochTimes)


def write_status(folder: Path, status: Status) -> None:
    """Write the file as a whole: a reader sees the old or the new one.

    Args:
        folder: The run's folder.
        status: What it says.
    """
    part = folder / f".{FILE}.part"
    part.write_text(json.dumps(asdict(status)) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def read_status(folder: Path) -> Status | None:
    """What a run says of itself, its state corrected by whether its process lives.

    Args:
        folder: The run's folder.

    Returns:
        None for a run that wrote none, such as one of an earlier version.

    Raises:
        ValueError: The file is broken.
    """
    file = folder / FILE
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        known = {each.name for each in fields(Status)}
        status = Status(**{key: value for key, value in content.items() if key in known})
        status.epochs = EpochTimes(**content.get("epochs", {}))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise ValueError(f"{FILE} cannot be read: {error}") from error
    if status.state == "running":
        status.state = _state_of(status, age=time.time() - file.stat().st_mtime)
    return status


def _state_of(status: Status, age: float) -> str:
    if status.machine and status.machine == this_machine():
        return "running" if process_mark(status.pid) == status.process else "killed"
    return "running" if age < SILENCE else "silent"


def this_machine() -> str:
    """The machine since it was started, and on it the container: where a process number means one.

    Empty where processes cannot be told apart, so that the age of the file tells.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process_mark(pid: int) -> str | None:
    """When a process of this machine began, in the system's own unit.

    Args:
        pid: Its number.

    Returns:
        None if there is none, or only what a killed one leaves until its parent asks for it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *values = stat.rpartition(")")[2].split()
    return None if state in "ZX" else values[18]
