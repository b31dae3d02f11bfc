"""What a training step of every engine costs, beside lightly's SimCLR with the same encoder.

    python -m benchmarks.step                                    # ResNet-18, 32 pixels, on the CPU
    python -m benchmarks.step --setting resnet50-224 --batch 64 --precision bf16-mixed --device cuda

All contestants run in one process, turn by turn, each with its own Trainer; a figure is the median
over the rounds of the step's time divided by lightly's in the same round. FLOPs are counted by
torch, memory is measured in a process of its own. The report goes to `benchmarks/step/reports/`.
"""

import argparse
import json
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

import torch

from ..machine import describe_machine
from .contestants import SETTINGS, build
from .running import OneBatch, count_flops, peak_memory, run

HERE = Path(__file__).parent
CONTESTANTS = (
    "lightly",
    "simclr",
    "oucl",
    "first_order",
    "lookahead",
    "lookahead/4",
    "exact",
    "exact/4",
    "higher",
)


def every(name: str) -> int:
    """Batches from one meta step to the next."""
    return int(name.partition("/")[2] or 1)


def time_ratios(arguments: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Ratios to lightly's step, round by round, and the median step time."""
    setting = SETTINGS[arguments.setting]
    modules = {name: build(name, setting) for name in arguments.contestants}
    times: dict[str, list[float]] = {name: [] for name in modules}
    for number in range(arguments.rounds + 1):
        for name, module in modules.items():
            # a warm-up step; then whole cycles of the meta step
            cycle = every(name)
            data = OneBatch(arguments.batch, setting.size, 2 * cycle, arguments.device)
            seconds = run(module, data, arguments.precision, arguments.device)[cycle:]
            if number > 0:
                times[name].append(statistics.mean(seconds))
            print(f"round {number}: {name} {statistics.mean(seconds):.2f} s", file=sys.stderr)
    ratios = {
        name: [mine / base for mine, base in zip(values, times["lightly"], strict=True)]
        for name, values in times.items()
    }
    return ratios, {name: statistics.median(values) for name, values in times.items()}


def in_own_process(arguments: argparse.Namespace, name: str) -> float:
    """Peak memory of a contestant, in MiB."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.step", "--memory-of", name]
    for option in ("setting", "batch", "precision", "device", "threads"):
        command += [f"--{option}", str(getattr(arguments, option))]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True)
    if done.returncode != 0:
        return float("nan")
    return json.loads(done.stdout.splitlines()[-1])


def table(arguments: argparse.Namespace) -> list[str]:
    """The report's table."""
    setting = SETTINGS[arguments.setting]
    ratios, seconds = time_ratios(arguments)
    flops, memory = {}, {}
    for name in arguments.contestants:
        data = OneBatch(arguments.batch, setting.size, every(name), arguments.device)
        flops[name] = count_flops(build(name, setting), data, arguments.precision, arguments.device)
        memory[name] = in_own_process(arguments, name)
        print(f"{name}: {flops[name]:.3g} FLOPs, {memory[name]:.0f} MiB", file=sys.stderr)
    rows = [
        "| step | time of lightly's | lowest to highest | FLOPs | memory | images/s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in arguments.contestants:
        rows.append(
            f"| {name} | {statistics.median(ratios[name]):.2f} "
            f"| {min(ratios[name]):.2f} to {max(ratios[name]):.2f} "
            f"| {flops[name] / flops['lightly']:.2f} | {memory[name] / memory['lightly']:.2f} "
            f"| {arguments.batch / seconds[name]:,.1f} |"
        )
    return rows


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setting", choices=SETTINGS, default="resnet18-32")
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        setting = SETTINGS[arguments.setting]
        data = OneBatch(arguments.batch, setting.size, 2, arguments.device)
        module = build(arguments.memory_of, setting)
        print(peak_memory(module, data, arguments.precision, arguments.device))
        return
    options = " ".join(sys.argv[1:])
    lines = [
        f"# A training step, {arguments.setting}, {date.today().isoformat()}",
        "",
        *describe_machine(f"python -m benchmarks.step {options}".strip()),
        f"- batch {arguments.batch}, 2 views, {arguments.precision}, {arguments.threads} threads, "
        f"{arguments.rounds} rounds",
        "",
        "Time, FLOPs and memory are ratios to lightly's SimCLR step in the same run; `/4` is a meta"
        " step every 4 batches, averaged over the four.",
        "",
        *table(arguments),
        "",
    ]
    name = f"{date.today().isoformat()}-{arguments.setting}-{arguments.device}.md"
    report = HERE / "reports" / name
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
