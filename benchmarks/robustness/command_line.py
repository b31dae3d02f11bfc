"""What people type: seeded odd command lines, each tried in one process.

    python -m benchmarks.robustness.command_line [--inputs 240] [--seed 0]

Each input is one of three shipped configs on tiny data with something wrong: a value of another
type or out of its range, an unknown key, arguments that contradict each other, a broken YAML. Right
is a message of at most `MOST_LINES` lines and exit code 2 with nothing left behind, or a run of one
step where the value makes sense. Counted are tracebacks, hangs, long messages, folders left behind
and values without sense that train; the report goes to `benchmarks/robustness/reports/`.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine
from benchmarks.robustness.odd_arguments import METAUG, QUICK, Input, inputs, needed
from metaug.cli import main as metaug

MOST_LINES = 13  # of a message, and how to see the traceback
LIMIT = 60  # seconds of one input


class Hang(BaseException):
    """An input took longer than `LIMIT`."""


def prepare(folder: Path) -> None:
    """Make what the configs need: a folder of images, and a checkpoint."""
    choice = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = choice.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{number}.png")
    os.environ["FUZZ_DATA"] = str(folder / "data")
    os.environ["FUZZ_CHECKPOINT"] = str(folder / "made/runs/digits/version_0/checkpoints/last.ckpt")
    made = f"--trainer.default_root_dir={folder / 'made'}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert metaug(["fit", "--config", "digits.yaml", *QUICK, *METAUG, made]) == 0


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(given: Input, folder: Path) -> tuple[str, str]:
    """What becomes of an input.

    Args:
        given: The input.
        folder: An empty folder to run in.

    Returns:
        The outcome (`refused` and `ran` are right) and what was said last.
    """
    os.chdir(folder)
    said = io.StringIO()
    command = ["fit", "--config", given.config, *QUICK, *needed(given.config), *given.odd]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            with _time_limit(), warnings.catch_warnings():
                code = metaug(command)
    except Hang:
        return "hang", ""
    except SystemExit as stop:
        code = stop.code
        if code not in (0, 2):
            return "traceback", f"SystemExit {code}"
    except BaseException:
        return "traceback", "\n".join(traceback.format_exc().splitlines()[-3:])
    lines = [line for line in said.getvalue().splitlines() if "metaug: " in line or "error" in line]
    start = next((i for i, line in enumerate(lines) if line.startswith("metaug: error")), 0)
    message = "\n".join(said.getvalue().splitlines()[-4:])
    if code == 0:
        return ("senseless" if given.senseless else "ran"), message
    if len(lines) - start > MOST_LINES or len(message) > 2500:
        return "long message", message
    if list(folder.rglob("version_*")):
        return "left behind", message
    return "refused", message


def try_all(count: int, seed: int) -> list[tuple[Input, str, str, float]]:
    """Try inputs, one after the other: each with its outcome, what was said, and its seconds."""
    results = []
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        try:
            prepare(folder)
            for number, given in enumerate(inputs(count, seed, folder)):
                place = folder / f"run{number}"
                place.mkdir()
                start = time.perf_counter()
                outcome, said = attempt(given, place)
                results.append((given, outcome, said, time.perf_counter() - start))
        finally:
            os.chdir(here)
    return results


def report(results: list[tuple[Input, str, str, float]], command: str) -> str:
    """The report, in Markdown."""
    outcomes = ("refused", "ran", "traceback", "hang", "senseless", "long message", "left behind")
    counts = Counter((given.kind, outcome) for given, outcome, _, _ in results)
    kinds = sorted({given.kind for given, *_ in results})
    lines = [
        "# What people type: odd command lines",
        "",
        *describe_machine(command),
        f"- inputs: {len(results)}, in one process, {sum(s for *_, s in results):.0f} s, "
        f"the slowest {max(s for *_, s in results):.1f} s",
        "",
        f"| kind | inputs | {' | '.join(outcomes)} |",
        f"|---|{'--:|' * (len(outcomes) + 1)}",
    ]
    for kind in [*kinds, "all"]:
        row = [
            sum(n for (k, o), n in counts.items() if o == outcome and kind in (k, "all"))
            for outcome in outcomes
        ]
        lines.append(f"| {kind} | {sum(row)} | {' | '.join(map(str, row))} |")
    wrong = [(g, o, s) for g, o, s, _ in results if o not in ("refused", "ran")]
    if wrong:
        lines += ["", "## Not right", ""]
        for given, outcome, said in wrong:
            lines += [f"- {outcome}: {given.config} `{' '.join(given.odd)}`", "", "```text"]
            lines += [said[-600:], "```"]
    lines += ["", "## Ran", ""]
    lines += [f"- {g.config} `{' '.join(g.odd)}`" for g, o, *_ in results if o == "ran"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Try, write the report, and tell by the exit code whether all was right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results = try_all(arguments.inputs, arguments.seed)
    command = f"python -m benchmarks.robustness.command_line {' '.join(sys.argv[1:])}".strip()
    path = Path(__file__).parent / "reports" / f"{date.today()}-command-line.md"
    path.write_text(report(results, command), encoding="utf-8")
    outcomes = Counter(outcome for _, outcome, *_ in results)
    print(json.dumps(outcomes), path)
    return int(set(outcomes) > {"refused", "ran"} or not set(outcomes) <= {"refused", "ran"})


if __name__ == "__main__":
    sys.exit(main())
