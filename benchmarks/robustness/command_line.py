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
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from benchmarks.machine import describe_machine
from benchmarks.robustness.odd_arguments import BROKEN_YAML, CONTRADICTIONS
from metaug.cli import main as metaug
from metaug.config_layers import flat

MOST_LINES = 13  # of a message, and how to see the traceback
LIMIT = 60  # seconds of one input
CONFIGS = ("digits.yaml", "image_folder.yaml", "evaluation/linear.yaml")
QUICK = [
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.max_steps=1",
    "--trainer.limit_train_batches=1",
    "--trainer.limit_val_batches=1",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
]
METAUG = [
    "--model.encoder.backbone_args={layers: [1, 1, 1, 1], channels: [4, 4, 4, 4]}",
    "--data.batch_size=8",
    *(f"--callbacks.{name}=null" for name in ("LinearProbe", "TrainingCurves", "FeatureMap")),
    *("--callbacks.ViewsGrid=null", "--callbacks.Summary.baselines=false"),
]
# starting processes is another matter, and whether a value is too large is the machine's
LEFT_ALONE = ("devices", "num_nodes", "strategy", "num_workers", "accelerator", "class_path")
WRONG_TYPES = (
    "abc",
    "[1, 2]",
    "{a: 1}",
    "true",
    "''",
    "1.5",
    "null",
    "2024-01-01",
    "0x1g",
    "~nobody",
)
OUT_OF_RANGE = ("-1", "-5", "0", ".nan", ".inf", "-.inf", "1e30", "-0.001", "1.0001", "3000000000")
SENSELESS = (".nan", ".inf", "-.inf", "-5", "-0.001")
# keys for which one of the senseless values has a meaning of its own
MEANINGFUL = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "save_top_k")


@dataclass(frozen=True)
class Input:
    """One odd command line.

    Args:
        kind: What is wrong.
        config: The shipped config.
        odd: The odd arguments, after all others.
        senseless: Whether a run of it is wrong.
    """

    kind: str
    config: str
    odd: tuple[str, ...]
    senseless: bool


class Hang(BaseException):
    """An input took longer than `LIMIT`."""


def inputs(count: int, seed: int, folder: Path) -> list[Input]:
    """Odd command lines, a third of them hand-picked: contradictions and broken YAML.

    Args:
        count: How many.
        seed: Of their choice.
        folder: Where broken configs are written.
    """
    random_state = random.Random(seed)
    broken = []
    for number, text in enumerate(BROKEN_YAML):
        path = folder / f"broken{number}.yaml"
        path.write_text(text, encoding="utf-8")
        broken.append(Input("broken YAML", CONFIGS[0], ("--config", str(path)), False))
    (folder / "latin.yaml").write_bytes(b"trainer: {max_epochs: \xe9}\n")
    broken.append(Input("broken YAML", CONFIGS[0], ("--config", str(folder / "latin.yaml")), False))
    known = [
        Input("contradictory", config, tuple(odd), False)
        for odd in CONTRADICTIONS
        for config in CONFIGS[:1]
    ] + broken
    random_state.shuffle(known)
    chosen = known[: max(count // 3, 1)]
    kinds = [_wrong_type, _out_of_range, _unknown]
    keys = {config: _keys(config) for config in CONFIGS}
    while len(chosen) < count:
        config = random_state.choice(CONFIGS)
        make = random_state.choice(kinds)
        chosen.append(make(config, random_state.choice(keys[config]), random_state))
    return chosen


def _keys(config: str) -> list[tuple[str, Any]]:
    """Keys of a config with all defaults, as short as they are documented, and their values."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        metaug(["fit", "--config", config, *_needed(config), "--print_config"])
    settings = yaml.safe_load(printed.getvalue())
    for callback in settings["trainer"].pop("callbacks") or []:
        name = callback["class_path"].rpartition(".")[2]
        settings.setdefault("callbacks", {})[name] = callback.get("init_args") or {"x": 1}
    settings["trainer"].pop("logger")
    return [(k, v) for k, v in flat(settings) if k.rpartition(".")[2] not in LEFT_ALONE]


def _wrong_type(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    return Input("wrong type", config, (f"--{key[0]}={choice.choice(WRONG_TYPES)}",), False)


def _out_of_range(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    name, value = key
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    odd = choice.choice(OUT_OF_RANGE)
    senseless = is_number and odd in SENSELESS and not name.endswith(MEANINGFUL)
    return Input("out of range", config, (f"--{name}={odd}",), senseless)


def _unknown(config: str, key: tuple[str, Any], choice: random.Random) -> Input:
    name = key[0]
    at = choice.randrange(len(name))
    typed = choice.choice(
        [name + "x", name[:at] + name[at + 1 :], f"{name}.more", name.rpartition(".")[2]]
    )
    return Input("unknown", config, (f"--{typed}={key[1]}",), False)


def _needed(config: str) -> list[str]:
    if config == "digits.yaml":
        return METAUG
    if config == "image_folder.yaml":
        return [*METAUG, f"--data.root={os.environ['FUZZ_DATA']}"]
    return [f"--model.backbone={os.environ['FUZZ_CHECKPOINT']}"]


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
    command = ["fit", "--config", given.config, *QUICK, *_needed(given.config), *given.odd]
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
