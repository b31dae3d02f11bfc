"""What a training step of every engine costs, beside lightly's SimCLR with the same encoder.

    python -m benchmarks.step                                    # ResNet-18, 32 pixels, on the CPU
    python -m benchmarks.step --setting resnet50-224 --batch 64 --precision bf16-mixed --device cuda

All variants run in one process, turn by turn and every other round in reverse, each with its
own Trainer; a figure is the median over the rounds of the step's time divided by that of the first
variant in the same round (with `--clock cpu`, of processor time, which other programs on the
machine disturb less); beside it stands the ratio of the fastest steps of all rounds. FLOPs are
counted by torch, memory is measured in a process of its own. Report and figure go to
`benchmarks/step/reports/`.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
import warnings
from datetime import date
from pathlib import Path

import torch

from benchmarks.machine import describe_machine
from benchmarks.memory import AllocatedMemory, PeakMemory

from . import running
from .figure import draw
from .running import OneBatch, count_flops, run
from .variants import SETTINGS, build

HERE = Path(__file__).parent
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def every(name: str) -> int:
    """Batches from one meta step to the next."""
    return int(name.removesuffix("-cl").partition("/")[2] or 1)


def batches(arguments: argparse.Namespace, steps: int) -> OneBatch:
    """The data of a run of so many steps."""
    setting = SETTINGS[arguments.setting]
    return OneBatch(arguments.batch, setting.size, steps, arguments.device, setting.channels)


def time_steps(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of a step of each variant, round by round."""
    setting = SETTINGS[arguments.setting]
    times: dict[str, list[float]] = {name: [] for name in arguments.variants}
    for number in range(arguments.rounds):
        # in reverse every other round, so that a machine that slows down favors nobody
        for name in arguments.variants[:: -1 if number % 2 else 1]:
            # made anew each time, so that only one is in memory; a warm-up cycle of the meta step
            module = build(name, setting)
            data = batches(arguments, 2 * every(name))
            seconds = run(module, data, arguments.precision, arguments.device)[every(name) :]
            times[name].append(statistics.mean(seconds))
            print(f"round {number}: {name} {statistics.mean(seconds):.2f} s", file=sys.stderr)
    return times


def measure_memory(arguments: argparse.Namespace, name: str) -> None:
    """Print the peaks of a variant in MiB: of the process, and of the tensors it allocates."""
    # up to the second meta step, when the optimizers have their states
    data = batches(arguments, every(name) + 1)
    module = build(name, SETTINGS[arguments.setting])
    with PeakMemory(torch.device(arguments.device)) as process, AllocatedMemory() as tensors:
        run(module, data, arguments.precision, arguments.device)
    print(json.dumps([process.peak, tensors.peak]))


def memory_in_own_process(arguments: argparse.Namespace, name: str) -> list[float]:
    """What `measure_memory` prints."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.step", "--memory-of", name]
    for option in ("setting", "batch", "precision", "device", "threads"):
        command += [f"--{option}", str(getattr(arguments, option))]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr[-2000:], file=sys.stderr)
        return [float("nan")] * 2
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All figures of each variant, by column."""
    times = time_steps(arguments)
    base = arguments.variants[0]
    found: dict[str, dict[str, float]] = {}
    for name in arguments.variants:
        ratios = [mine / its for mine, its in zip(times[name], times[base], strict=True)]
        data = batches(arguments, every(name))
        module = build(name, SETTINGS[arguments.setting])
        process, allocated = memory_in_own_process(arguments, name)
        found[name] = {
            "time": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
            "fastest": min(times[name]) / min(times[base]),
            "FLOPs": count_flops(module, data, arguments.precision, arguments.device),
            "allocated": allocated,
            "process": process,
            "images/s": arguments.batch / statistics.median(times[name]),
        }
        print(name, found[name], file=sys.stderr)
    first = dict(found[base])
    for values in found.values():
        for column in ("FLOPs", "allocated", "process"):
            values[column] /= first[column]
    return found


def table(found: dict[str, dict[str, float]], base: str) -> list[str]:
    """The report's table."""
    rows = [
        f"| step | time / {base} | lowest to highest | of the fastest | FLOPs | tensors' memory "
        "| process's memory | images/s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, each in found.items():
        rows.append(
            f"| {name} | {each['time']:.2f} | {each['lowest']:.2f} to {each['highest']:.2f} "
            f"| {each['fastest']:.2f} | {each['FLOPs']:.2f} | {each['allocated']:.2f} "
            f"| {each['process']:.2f} | {each['images/s']:,.1f} |"
        )
    return rows


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setting", choices=SETTINGS, default="resnet18-32")
    parser.add_argument("--variants", nargs="+", help="the first is what others are divided by")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    setting = SETTINGS[arguments.setting]
    arguments.batch = arguments.batch or setting.batch
    arguments.variants = arguments.variants or list(setting.variants)
    torch.set_num_threads(arguments.threads)
    running.clock = CLOCKS[arguments.clock]
    if arguments.memory_of:
        measure_memory(arguments, arguments.memory_of)
        return
    base = arguments.variants[0]
    found = measure(arguments)
    batch = "" if arguments.batch == setting.batch else f"-batch{arguments.batch}"
    stem = f"{date.today().isoformat()}-{arguments.setting}{batch}-{arguments.device}"
    report = HERE / "reports" / f"{stem}.md"
    report.parent.mkdir(exist_ok=True)
    draw(found, base, report.with_suffix(".png"))
    command = f"python -m benchmarks.step {' '.join(sys.argv[1:])}".strip()
    lines = [
        f"# A training step, {arguments.setting}, {date.today().isoformat()}",
        "",
        *describe_machine(command),
        f"- batch {arguments.batch}, {len(setting.channels)} views, {arguments.precision}, "
        f"{arguments.threads} threads, {arguments.rounds} rounds, {arguments.clock} clock",
        "",
        f"Whole step, optimizers included. Time, FLOPs and memory are ratios to `{base}` in the "
        "same run: of time the median over the rounds, and that of the fastest steps; `/4` is a "
        "meta step every 4 batches, averaged over the four; `lightly` is its SimCLR example; "
        "`-cl` is channels-last memory format; `simclr` and `oucl` are MetAug without a generator. "
        "Tensors' memory is the peak of what torch allocates beyond model and data, process's "
        "memory that of the resident size.",
        "",
        *table(found, base),
        "",
        f"![ratios]({stem}.png)",
        "",
    ]
    report.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
