"""Processes that say how far they are, line by line, and a clock that all parts share."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from .plan import ROOT


class Budget:
    """Seconds of the whole run.

    Args:
        started: When it began, in seconds since the epoch.
        seconds: How long it may take.
    """

    def __init__(self, started: float, seconds: float) -> None:
        self.started = started
        self.end = started + seconds

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.end - time.time()

    def at(self, share: float) -> float:
        """When a share of the time has passed, in seconds since the epoch."""
        return self.started + share * (self.end - self.started)


class Log:
    """What is shown, also in a file.

    Args:
        path: The file.
        started: Since when seconds are counted.
    """

    def __init__(self, path: Path, started: float) -> None:
        self.file = path.open("a")
        self.started = started

    def say(self, text: str) -> None:
        """Show a line."""
        line = f"[{time.time() - self.started:6.1f} s] {text}"
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()


class Speaker:
    """A process of a module, in a session of its own, that tells how far it is line by line.

    Args:
        module: Started by `python -m`.
        arguments: Its arguments.
        errors: Where its standard error goes.
    """

    def __init__(self, module: str, arguments: list[str], errors: IO[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def next_line(self, seconds: float) -> str | None:
        """The next line; None at the end.

        Raises:
            queue.Empty: If none came in so many seconds.
        """
        return self.lines.get(timeout=max(seconds, 0.01))

    def hear(self, word: str, budget: Budget) -> str:
        """Wait for the line that begins with a word.

        Raises:
            TimeoutError: If it did not come within the budget.
            RuntimeError: If the process ended before it.
        """
        while True:
            try:
                line = self.next_line(budget.left)
            except queue.Empty:
                raise TimeoutError(f"no {word} within the budget") from None
            if line is None:
                raise RuntimeError(f"a process ended before {word} ({self.process.wait()})")
            if line.startswith(word):
                return line

    def tell(self, text: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait a little for the end of the process, else kill it."""
        try:
            self.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        self.reader.join(timeout=3)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
