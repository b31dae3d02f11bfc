"""One fault, one resumed run, and what came of it."""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.robustness.compare import compare
from benchmarks.robustness.faults import Fault, draw
from benchmarks.robustness.runs import PIDS, Outcome, preload, run

CONFIG = Path(__file__).parent / "tiny.yaml"
LIMIT = 60.0
"""Seconds in which all processes have to end after a fault."""
_PROMISED = {"SIGTERM": {143}, "SIGINT": {130}, "error": {1}, "SIGKILL": {1, -9}}


@dataclass(frozen=True)
class Row:
    """What came of a fault.

    Attributes:
        fault: The fault.
        codes: How the processes ended, None for one that did not.
        seconds: From the fault to the end of the last process.
        begun_anew: Whether there was no checkpoint yet, so that the run was repeated.
        differences: Where the resumed run differs from one that never stopped.
    """

    fault: Fault
    codes: list[int | None]
    seconds: float
    begun_anew: bool
    differences: list[str]

    @property
    def in_time(self) -> bool:
        """Whether all processes ended within the limit."""
        return None not in self.codes

    @property
    def code_is_right(self) -> bool:
        """Whether they ended as the documentation says; a completed run ends with 0."""
        return set(self.codes) <= {0} | _PROMISED[self.fault.kind.split()[0]]

    @property
    def passed(self) -> bool:
        """Whether the fault had no effect that lasts."""
        return self.in_time and self.code_is_right and not self.differences


class Trials:
    """Faults that are compared with one run that never stops.

    Args:
        folder: Where the runs go.
        processes: How many each run has.
        also: Further arguments of all runs.
    """

    def __init__(self, folder: Path, processes: int, also: list[str]) -> None:
        self.folder = folder
        self.processes = processes
        self.also = also
        self.never_stopped = folder / "never_stopped"
        outcome = self._run(self.never_stopped)
        if any(outcome.codes):
            raise RuntimeError(f"the run without a fault fails:\n{outcome.text}")
        preload(self.never_stopped)

    def draw_and_try(self, generator: random.Random) -> Row:
        """Try the next fault of a generator that happens at all before the run ends."""
        row = None
        while row is None:
            row = self.attempt(draw(generator, self.processes))
        return row

    def attempt(self, fault: Fault) -> Row | None:
        """Run into a fault and resume; None if the run was over before it came.

        Args:
            fault: The fault.
        """
        folder = self.folder / "stopped"
        shutil.rmtree(folder, ignore_errors=True)
        stopped = self._run(folder, fault.argument)
        if not (folder / PIDS / "fault").exists():
            return None
        begun_anew = not any(folder.glob("runs/tiny/*/checkpoints/last*.ckpt"))
        resumed = self._run(folder, *([] if begun_anew else ["--ckpt_path=last"]))
        if any(resumed.codes):
            differences = [f"the resumed run ends with {resumed.codes}: {resumed.text[-2000:]}"]
        else:
            differences = compare(folder, self.never_stopped)
        return Row(fault, stopped.codes, stopped.seconds, begun_anew, differences)

    def _run(self, folder: Path, *arguments: str) -> Outcome:
        batch = f"--data.init_args.batch_size={64 // self.processes}"
        options = ["--config", str(CONFIG), batch, *self.also, *arguments]
        return run(folder, options, processes=self.processes, limit=LIMIT)
