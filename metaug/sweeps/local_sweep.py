"""The loop of a local sweep: keep trials at work, read their scores, stop poor ones, remember."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.trial import TrialState

from metaug.sweeps import attempts
from metaug.sweeps.fit_command import arguments
from metaug.sweeps.folder import SweepFolder
from metaug.sweeps.score_lines import CALLBACK, read_lines, scores
from metaug.sweeps.study import Study
from metaug.sweeps.trial_process import SCORES, TrialProcess, last_error, newest_checkpoint
from metaug.sweeps.trial_values import score

_POLL = 0.2  # seconds between two looks at the trials
_FAILURES = 3


class LocalSweep:
    """Trains the trials of a sweep.

    Args:
        folder: The sweep's.
        study: Its trials.
        shares: For each trial at once, environment variables with its part of the machine.
    """

    def __init__(self, folder: SweepFolder, study: Study, shares: list[dict[str, str]]) -> None:
        self.folder, self.study = folder, study
        self._idle = list(shares)
        self._at_work: dict[int, tuple[TrialProcess, dict[str, str]]] = {}
        self._count = 0

    def run(self, count: int) -> int:
        """Train until there are so many trials in all, or a signal asks to stop.

        Args:
            count: Trials in all, those of before and of other processes among them.

        Returns:
            The exit code: 0, or that of the signal.

        Raises:
            ValueError: The first trials failed, or the score is never logged.
        """
        self._count = count
        with _stop_requests() as asked:
            try:
                while not asked:
                    self._look_at_all()
                    more = self._start_trials()
                    if not self._at_work and not more:
                        return 0
                    time.sleep(_POLL)
                names = ", ".join(map(str, sorted(self._at_work))) or "none"
                print(f"stopping; the same command takes up again: trial {names}", flush=True)
                return 128 + asked[0]
            finally:
                self._stop_all(asked)

    def _start_trials(self) -> bool:
        """Start what there is room for; whether something is to come."""
        while self._idle:
            with self.study.turn():
                number, waits = self._next()
                if number is None:
                    return waits
                attempt = attempts.claim(self.folder.trial(number))
            setting = self.folder.sweep.setting(self.study.again(number))
            words = [*self.folder.common_options(), *arguments(setting)]
            path = self.folder.trial(number)
            words += [f"--trainer.default_root_dir={path}"]
            words += [f"--trainer.callbacks+={CALLBACK}"]
            if attempt.number > 1 and (checkpoint := newest_checkpoint(path)) is not None:
                words += [f"--ckpt_path={checkpoint}"]
                print(f"trial {number} goes on from {checkpoint.relative_to(path)}", flush=True)
            elif attempt.number > 1:
                print(f"trial {number} begins again; it had no checkpoint yet", flush=True)
            share = self._idle.pop(0)
            process = TrialProcess(words, attempt, self.folder.sweep.metric, share)
            self._at_work[number] = (process, share)
        return True

    def _next(self) -> tuple[int | None, bool]:
        """A trial to start, and else whether to wait for one whose sweep was killed."""
        trials = self.study.trials()
        waits = False
        for trial in trials:
            if trial.state != TrialState.RUNNING or trial.number in self._at_work:
                continue
            whose = attempts.state(self.folder.trial(trial.number))
            if whose == "free" and trial.user_attrs.get("pruned"):  # killed before it was said
                self._end(trial.number, TrialState.PRUNED)
            elif whose == "free":
                return trial.number, True
            waits = waits or whose == "ending"
        if len(trials) < self._count:
            return self.study.propose(), True
        return None, waits

    def _look_at_all(self) -> None:
        for number, (process, _) in list(self._at_work.items()):
            if not process.attempt.refresh():  # this process was held up, and another took over
                process.kill()
                self._leave(number)
                continue
            code = process.code()
            lines = read_lines(self.folder.trial(number) / SCORES)
            taken = scores(lines)
            at_end = bool(taken) and taken[-1]["last"]
            if self.study.report(number, [line["value"] for line in taken], at_end=at_end):
                process.stop()
            if process.is_overdue:
                process.kill()
            if code is not None:
                self._leave(number)
                self._finish(number, process, code, lines)

    def _leave(self, number: int) -> None:
        self._idle.append(self._at_work.pop(number)[1])

    def _finish(
        self, number: int, process: TrialProcess, code: int, lines: list[dict[str, Any]]
    ) -> None:
        taken = scores(lines)
        if code == 0 and not taken:
            self._end(number, TrialState.FAIL, error="the score was never logged")
            self._check_metric(number, lines)
            return
        if code == 0 and math.isfinite(taken[-1]["value"]):
            self._end(number, TrialState.COMPLETE, value=taken[-1]["value"])
        elif process.asked_to_stop:
            self._end(number, TrialState.PRUNED)
        else:
            error = last_error(process.attempt.log, code)
            if code == 0:
                error = f"the score is {taken[-1]['value']}"
            self._end(number, TrialState.FAIL, error=error)
            self._check_failures()

    def _end(self, number: int, state: TrialState, **what: Any) -> None:
        taken = scores(read_lines(self.folder.trial(number) / SCORES))
        epochs = taken[-1]["epoch"] if taken else 0
        self.study.end(number, state, epochs=epochs, **what)
        print(self._line(number), flush=True)

    def _line(self, number: int) -> str:
        trials = self.study.trials()
        ended = sum(trial.state.is_finished() for trial in trials)
        trial = trials[number]
        what = f"[{ended}/{self._count}] trial {number}"
        epochs = f"{trial.user_attrs['epochs']} epochs"
        if trial.state == TrialState.FAIL:
            return f"{what} failed: {trial.user_attrs['error']}"
        if trial.state == TrialState.PRUNED:
            return f"{what} stopped early after {epochs} at {score(trial):.4g}"
        best = self.study.best()
        lead = f"; best {best.value:.4g}, trial {best.number}" if best is not None else ""
        return f"{what}: {self.folder.sweep.metric} {trial.value:.4g} after {epochs}{lead}"

    def _check_metric(self, number: int, lines: list[dict[str, Any]]) -> None:
        if any(trial.intermediate_values for trial in self.study.trials()):
            return
        logged: list[str] = next((line["names"] for line in lines[::-1] if "names" in line), [])
        names = ", ".join(name for name in logged if "/" in name) or "nothing"
        raise ValueError(
            f"trial {number} never logged {self.folder.sweep.metric}; it logged: {names}. "
            "Name one of these as the sweep's metric, in another --folder"
        )

    def _check_failures(self) -> None:
        ended = [trial for trial in self.study.trials() if trial.state.is_finished()]
        enough = len(ended) >= min(_FAILURES, self._count)
        if enough and all(trial.state == TrialState.FAIL for trial in ended):
            log = self.folder.trial(ended[-1].number)
            raise ValueError(
                f"the first trials failed ({len(ended)}), the last one with: "
                f"{ended[-1].user_attrs['error']}\n{log}/attempt_*.log has all it said; put it "
                f"right, and remove {self.folder.path} to begin again"
            )

    def _stop_all(self, asked: list[int]) -> None:
        """End the processes, with checkpoints; a second signal ends them at once."""
        at_work = {number: process for number, (process, _) in self._at_work.items()}
        for process in at_work.values():
            process.stop()
        while any(process.code() is None for process in at_work.values()):
            for process in at_work.values():
                process.attempt.refresh()
                if len(asked) > 1 or process.is_overdue:
                    process.kill()
            time.sleep(0.1)
        for number, process in at_work.items():
            if process.code() == 0 and asked:  # it was at its end
                lines = read_lines(self.folder.trial(number) / SCORES)
                self._finish(number, process, 0, lines)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list of the signals that ask to stop, as they come."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
