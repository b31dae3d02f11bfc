"""Runs the parts within the budget, each in processes of its own with a share of the time.

A part that ends early leaves its time to the later ones. A task that hangs or takes its process
down is recorded, and the part goes on after it.
"""

import argparse
import contextlib
import os
import queue
import subprocess
import sys
import time
from pathlib import Path

from .plan import PARTS, ROOT, SMOKE_TASKS
from .processes import Budget, Log, Speaker
from .records import append

PACKAGE = "benchmarks.gpu"
START_SECONDS = 100.0  # importing torch and the project, on a cold disk
RESERVE_SECONDS = 15.0  # what the part `learn` leaves for its last probes
LEAST_SECONDS = 45.0  # what a part gets however small its share: starting, and its first tasks
CPU_FACTOR = 20  # a CPU is slow, and what runs on it is to end by itself


class Driver:
    """Runs the parts.

    Args:
        arguments: Of the command line.
        budget: Of the whole run.
    """

    def __init__(self, arguments: argparse.Namespace, budget: Budget) -> None:
        self.arguments = arguments
        self.budget = budget
        self.smoke: bool = arguments.smoke
        self.device: str = arguments.device
        self.out: Path = arguments.out
        self.log = Log(self.out / "run.log", budget.started)
        source = arguments.images.name if arguments.images else "default"
        self.images = arguments.scratch / f"{source}{'-smoke' if self.smoke else ''}.pt"
        self.decoding: subprocess.Popen | None = None

    def start(self, module: str, *arguments: str) -> Speaker:
        """A process that is told where to run."""
        options = ["--device", self.device, "--out", str(self.out), "--images", str(self.images)]
        options += ["--processes", str(self.arguments.processes)]
        options += ["--smoke"] if self.smoke else []
        return Speaker(f"{PACKAGE}.{module}", [*arguments, *options], self.log.file)

    def decode_images(self) -> None:
        """Begin to write the file of images, beside the first part; an archive's stays."""
        if self.arguments.images and self.images.exists():
            return
        options = ["--archive", str(self.arguments.images)] if self.arguments.images else []
        options += ["--most", "400"] if self.smoke else []
        self.decoding = subprocess.Popen(
            [sys.executable, "-m", f"{PACKAGE}.images", str(self.images), *options],
            cwd=ROOT,
            stdout=self.log.file,
            stderr=self.log.file,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        )

    def wait_for_images(self) -> None:
        """Wait until the file of images is there."""
        if self.decoding is None:
            return
        try:
            self.decoding.wait(timeout=max(min(90.0, self.budget.left - 30), 1))
        except subprocess.TimeoutExpired:
            self.log.say("the images are not decoded yet")

    def run(self) -> None:
        """Run the parts of the command line, in the order of their importance."""
        names = [name for name in PARTS if name in self.arguments.parts]
        shares = sum(PARTS[name].share for name in names)
        if any(PARTS[name].needs_images for name in names):
            self.decode_images()
        try:
            self.note_facts(names)
            passed = 0.0
            for name in names:
                passed += PARTS[name].share / shares
                if self.budget.left < 10:
                    self.log.say(f"{name}: left out, the budget is spent")
                    tasks = list(self.tasks_of(name)) or ["plan"]
                    append(self.out, {"part": name, "ok": False, "left out": tasks})
                    continue
                if PARTS[name].needs_images:
                    self.wait_for_images()
                self.log.say(f"{name} begins, {self.budget.left:.0f} s left")
                end = max(self.budget.at(passed), time.time() + LEAST_SECONDS)
                self.learn() if name == "learn" else self.run_part(name, min(end, self.budget.end))
        finally:
            if self.decoding is not None and self.decoding.poll() is None:
                self.decoding.kill()
            self.log.file.close()

    def note_facts(self, names: list[str]) -> None:
        """Record machine and versions where the parts asked for do not: a report needs them."""
        if "env" not in names or "facts" not in self.tasks_of("env"):
            self._run_process("env", {"facts": 60.0}, min(time.time() + 60, self.budget.end))

    def tasks_of(self, name: str) -> dict[str, float]:
        """The tasks of a part and their seconds."""
        tasks = PARTS[name].tasks
        if self.smoke:
            tasks = SMOKE_TASKS.get(name, tasks)
        only = self.arguments.tasks
        factor = CPU_FACTOR if self.device == "cpu" else 1
        return {
            task: factor * seconds for task, seconds in tasks.items() if not only or task in only
        }

    def run_part(self, name: str, end: float) -> None:
        """Run all tasks of a part.

        Args:
            name: Of the part.
            end: When its time is over, in seconds since the epoch.
        """
        tasks = self.tasks_of(name)
        failed_starts = 0
        while tasks and failed_starts < 2 and time.time() < end - 3:
            task = self._run_process(name, tasks, end)
            # what hung or died is not tried again
            tasks.pop(task, None)
            failed_starts += task == "(start)"
        if tasks:
            append(self.out, {"part": name, "ok": False, "left out": list(tasks)})

    def _run_process(self, part: str, tasks: dict[str, float], end: float) -> str:
        """Run tasks in one process and take those that end off the list.

        Returns:
            What was running when it failed, or nothing.
        """
        with contextlib.closing(self.start("worker", part, *tasks)) as speaker:
            try:
                task, failure = self._follow(speaker, part, tasks, end)
            finally:
                if tasks:
                    speaker.kill()
        if failure:
            self.log.say(f"{part} {task}: {failure}")
            append(self.out, {"part": part, "task": task, "ok": False, "error": failure})
        return task

    def _follow(
        self, speaker: Speaker, part: str, tasks: dict[str, float], end: float
    ) -> tuple[str, str]:
        """Follow a process to its end.

        Returns:
            What was running at the end, and what was wrong; nothing if all tasks ended.
        """
        limits = dict(tasks)
        task, since, limit = (
            "(start)",
            time.time(),
            START_SECONDS * (3 if self.device == "cpu" else 1),
        )
        while True:
            try:
                line = speaker.next_line(min(since + limit, end) - time.time())
            except queue.Empty:
                spent = time.time() >= end
                return task, "the part's time is over" if spent else "out of its time"
            if line is None:
                status = speaker.process.wait()
                return (task, f"its process ended ({status})") if tasks else ("", "")
            word, _, name = line.partition(" ")
            if word == "@start":
                task, since, limit = name, time.time(), limits[name]
            elif word == "@end":
                self.log.say(f"{part} {name}: {time.time() - since:.1f} s")
                tasks.pop(name)
                task, since, limit = "(between tasks)", time.time(), 30.0

    def learn(self) -> None:
        """Train all rows at once, as many epochs as fit."""
        if self.budget.left < self.arguments.least:
            self.log.say(f"learn: {self.budget.left:.0f} s are too few")
            return
        rows = self.arguments.rows
        speakers = [self.start("parts.learn", row, *self.arguments.learn) for row in rows]
        try:
            self._train(dict(zip(rows, speakers, strict=True)))
        except (TimeoutError, RuntimeError, OSError) as error:
            self.log.say(f"learn: {type(error).__name__} {error}")
            append(self.out, {"part": "learn", "ok": False, "error": str(error)})
            for speaker in speakers:
                speaker.kill()
        finally:
            for speaker in speakers:
                speaker.close()

    def _train(self, speakers: dict[str, Speaker]) -> None:
        """Time all rows at once, then train them as many epochs as fit."""
        for speaker in speakers.values():
            speaker.hear("@ready", self.budget)
        for speaker in speakers.values():
            speaker.tell("time")
        paces = [speaker.hear("@pace", self.budget).split()[1] for speaker in speakers.values()]
        epochs = self._epochs(max(map(float, paces)))
        for speaker in speakers.values():
            speaker.tell(f"train {epochs}")
        for row, speaker in speakers.items():
            speaker.hear("@done", self.budget)
            self.log.say(f"learn {row}: done")

    def _epochs(self, pace: float) -> int:
        """How many epochs of so many seconds fit; recorded."""
        left = self.budget.left - (0 if self.smoke else RESERVE_SECONDS)
        most = 2 if self.smoke else self.arguments.epochs
        epochs = min(max(1, int(0.92 * left / pace)), most)
        self.log.say(f"learn: {epochs} epochs of {pace:.1f} s")
        record = {"part": "learn", "task": "plan", "ok": True, "epochs": epochs, "pace_s": pace}
        append(self.out, record)
        return epochs
