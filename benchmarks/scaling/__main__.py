"""What more processes and larger batches cost: step time, communication, memory.

    python -m benchmarks.scaling                         # 1 and 2 processes, about five minutes
    python -m benchmarks.scaling --processes 1 2 4 8 --batches 256 1024 4096 --device cuda

Every row is a run of its own: `torchrun` starts the processes, each trains MetAug for a few steps
on random images by `strategy: ddp` and reports. The second table is the objective alone, which
every process evaluates on the whole global batch, whole and in blocks of rows. The report goes to
`benchmarks/scaling/reports/`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.ports import free_port

HERE = Path(__file__).parent


def launch(module: str, processes: int, *arguments: object) -> dict:
    """Run a worker module on some processes; the first one's result."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        run = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run"),
                f"--nproc-per-node={processes}",
                f"--master-port={free_port()}",
                *("-m", f"benchmarks.scaling.{module}", str(out)),
                *map(str, arguments),
            ],
            cwd=HERE.parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            lines = [line for line in run.stderr.splitlines() if "Error" in line]
            return {"failed": lines[-1].strip()[:80] if lines else "failed"}
        return json.loads(out.read_text())


def training_table(arguments: argparse.Namespace) -> list[str]:
    """Rows: processes by global batch."""
    rows = [
        "| processes | global batch | step, ms | images/s | communication | peak memory, MiB |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for processes in arguments.processes:
        for batch in arguments.batches:
            result = launch(
                "train", processes, batch, arguments.engine, arguments.steps, arguments.device
            )
            start = f"| {processes} | {batch} |"
            if "failed" in result:
                rows.append(f"{start} {result['failed']} | | | |")
            else:
                rows.append(
                    f"{start} {1000 * result['step']:,.0f} | {batch / result['step']:,.0f} | "
                    f"{result['communication']:.0%} | {result['memory']:,.0f} |"
                )
            print(rows[-1], flush=True)
    return rows


def objective_table(arguments: argparse.Namespace) -> list[str]:
    """Rows: instances, the objective evaluated whole or in blocks."""
    rows = [
        "| instances G | objective | time, ms | peak memory of it, MiB |",
        "|--:|---|--:|--:|",
    ]
    for count in arguments.instances:
        for evaluation in ("whole", "blocks"):
            result = launch("objective", 1, count, evaluation, arguments.device)
            if "failed" in result:
                rows.append(f"| {count} | {evaluation} | {result['failed']} | |")
            else:
                blocks = f"{evaluation} ({result['blocks']})"
                rows.append(
                    f"| {count} | {blocks} | {1000 * result['time']:,.0f} | "
                    f"{result['memory']:,.0f} |"
                )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--instances", type=int, nargs="+", default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--engine", default="lookahead")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    options = " ".join(sys.argv[1:])
    lines = [
        f"# Scaling, {date.today().isoformat()}",
        "",
        *describe_machine(f"python -m benchmarks.scaling {options}".strip()),
        "",
        f"## A training step, engine {arguments.engine}",
        "",
        "ResNet-18 with the small-image stem, 32 pixels, 2 views, in-batch negatives, BatchNorm "
        "over all processes. One thread per process. Medians over the steps after the first two; "
        "communication is the share of the step that a process spends in collectives, waiting for "
        "the others included; peak memory is one process's, without what it had before training.",
        "",
        *training_table(arguments),
        "",
        "## The objective alone",
        "",
        "Unified composition with margins, 2 views, 128 dimensions: the objective, its gradients "
        "and the mixed second derivative, once. Every process does this for the whole batch.",
        "",
        *objective_table(arguments),
        "",
    ]
    report = HERE / "reports" / f"{date.today().isoformat()}-{arguments.device}.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join(lines))
    print(f"wrote {report.relative_to(HERE.parents[1])}")


if __name__ == "__main__":
    main()
