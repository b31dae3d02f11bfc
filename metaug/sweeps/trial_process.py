"""A trial at work: `python -m metaug fit …` in a process group of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from metaug.sweeps.attempts import Attempt
from metaug.sweeps.score_lines import VARIABLE

SCORES = "scores.jsonl"
PATIENCE = 120.0
"""Seconds in which a trial that is asked to stop has to end."""


class TrialProcess:
    """The process of an attempt at a trial.

    Terminals do not reach it; its sweep does. It ends with its sweep (`score_file.ScoreFile`).

    Args:
        words: Options of `metaug fit`.
        attempt: The attempt, whose file gets the process's number.
        metric: The score that it reports.
        share: Environment variables with its part of the machine.
    """

    def __init__(
        self, words: Iterable[str], attempt: Attempt, metric: str, share: Mapping[str, str]
    ) -> None:
        self.attempt = attempt
        self._asked_at: float | None = None
        folder = attempt.path.parent
        told = {"sweep": os.getpid(), "metric": metric, "scores": str(folder / SCORES)}
        with attempt.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "metaug", "fit", *words],
                env={**os.environ, **share, VARIABLE: json.dumps(told)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        attempt.note(self._process.pid)

    def code(self) -> int | None:
        """The exit code, or None as long as it runs."""
        return self._process.poll()

    @property
    def asked_to_stop(self) -> bool:
        """Whether it was."""
        return self._asked_at is not None

    @property
    def is_overdue(self) -> bool:
        """Whether it was asked to stop, and has not for `PATIENCE` seconds."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > PATIENCE

    def stop(self) -> None:
        """Let it end after the step in progress, with a checkpoint.

        By SIGTERM, which takes the same path as Ctrl-C and is not ignored in background jobs.
        """
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._process.terminate()

    def kill(self) -> None:
        """End it at once, with all processes that it started."""
        if self.code() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def last_error(log: Path, code: int) -> str:
    """What a trial that failed said last, in a line.

    Args:
        log: What it printed.
        code: Its exit code, negative for a signal.
    """
    if code < 0:
        return f"killed by {signal.Signals(-code).name}" + " (out of memory?)" * (code == -9)
    return _told(log.read_text(errors="replace")) or f"exit code {code}"


def check_accepted(words: Iterable[str]) -> None:
    """Let `metaug fit` read a trial's options, before anything is made.

    Args:
        words: The options.

    Raises:
        ValueError: It refuses them, with what it says.
    """
    done = subprocess.run(
        [sys.executable, "-m", "metaug", "fit", *words, "--print_config"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise ValueError(f"`metaug fit` refuses the trials of this sweep: {_told(done.stderr)}")


def _told(output: str) -> str:
    """The error that a process ended with, in a line; empty where it printed nothing."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("metaug: error: ")]
    return (told or lines or [""])[-1].removeprefix("metaug: error: ")


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a trial, which it goes on from.

    Args:
        folder: The trial's folder.
    """
    from metaug.run_folder import why_unreadable  # takes seconds: torch, Lightning

    checkpoints = sorted(folder.rglob("last*.ckpt"), key=lambda path: path.stat().st_mtime)
    return next((path for path in reversed(checkpoints) if why_unreadable(path) is None), None)
