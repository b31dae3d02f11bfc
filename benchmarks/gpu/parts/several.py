"""Several processes beside one: the same numbers, what a step costs, what is sent."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.ports import free_port

from ..context import Context, relative_error
from ..plan import ROOT
from ..ranks import states, times

Results = dict[str, dict[str, Any]]


def launch(context: Context) -> tuple[Results, str]:
    """Run `benchmarks.gpu.ranks` on all processes.

    Args:
        context: Where they run.

    Returns:
        What the first process has, as far as it came, and the error that ended it, or nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.pt"
        command = [sys.executable, "-m", "torch.distributed.run"]
        command += [f"--nproc-per-node={context.processes}", f"--master-port={free_port()}"]
        command += ["-m", "benchmarks.gpu.ranks", str(file), "--device", context.device.type]
        command += ["--out", str(context.out), "--images", str(context.images)]
        command += ["--processes", str(context.processes)]
        command += ["--smoke"] if context.smoke else []
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout[-4000:], done.stderr[-8000:])
        results = torch.load(file, weights_only=True) if file.exists() else {}
    if not done.returncode:
        return results, ""
    errors = [line.strip() for line in done.stderr.splitlines() if "Error: " in line]
    return results, (errors or [done.stderr[-300:]])[0]


def processes(context: Context) -> dict[str, Any]:
    """All processes beside one: three steps in float64, and the time of a step.

    The batch per process is the same, so that a perfect step takes as long on many as on one.
    """
    if context.processes == 1:
        return {"note": "Not measured: one GPU."}
    many, error = launch(context)
    measured: dict[str, Any] = {"ok": not error, "processes": context.processes}
    measured |= {"error": error} if error else {}
    if "states" in many:
        alone = states(context, 0, 1)
        measured["relative error to one process"] = {
            kind: relative_error(many["states"][kind], alone[kind]) for kind in alone
        }
    if "times" in many:
        measured["steps"] = _compare(times(context, 0, 1), many["times"])
    return measured


def _compare(one: Results, many: Results) -> Results:
    """Steps of many processes beside those of one, and beside lightly's."""
    base = many["lightly-cl"]["ms"]
    rows = {}
    for name, row in many.items():
        kept = {key: row[key] for key in ("ms", "images_per_s", "messages", "MB")}
        alone = {"one_ms": one[name]["ms"], "efficiency": one[name]["ms"] / row["ms"]}
        rows[name] = {**kept, **alone, "ratio": row["ms"] / base}
    return rows


TASKS = {"processes": processes}
"""Needs several GPUs; in the trial two processes on a CPU."""
