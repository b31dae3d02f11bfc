"""The report of the GPU benchmark: each bar reached, not reached or not measured, failures with
their errors, a figure."""

import subprocess
import sys

import pytest

from benchmarks.gpu import records
from benchmarks.gpu.plan import ROOT
from benchmarks.gpu.report.__main__ import write
from benchmarks.gpu.report.bars import bars
from benchmarks.gpu.report.results import Results

STEPS = {
    "lightly-cl": (8.0, 5.0, 2.0),
    "lookahead-recipe": (10.8, 6.0, 2.1),
    "exact-recipe": (24.0, 9.0, 2.7),
    "recipe": (6.0, 3.0, 1.9),
}
"""Milliseconds, milliseconds of the host and GiB."""
EPOCHS = [9.0, 2.0, 2.0, 2.0, 4.0, 2.0, 30.0]


def measured(out, part, task, **values):
    records.append(out, {"part": part, "task": task, "ok": True, **values})


def gpu_run(out):
    """Results as a GPU would give them."""
    measured(out, "run", "command", command="python -m benchmarks.gpu --minutes 9")
    facts = {"gpu": "NVIDIA H100 80GB HBM3", "gpus": 1, "cpu": "Xeon", "cpus": 16}
    facts |= {"memory_GiB": 128.0, "commit": "abc1234", "python": "3.12.1", "cuda": "13.0"}
    measured(out, "env", "facts", versions={"torch": "2.11.0", "higher": "(absent)"}, **facts)
    waits = {"oucl": {}, "lookahead": {"pairs.py:197": 2, "metaug.py:313": 1}}
    measured(out, "parity", "waits", **{"waits of one step": waits})
    errors = {"features": 2e-7, "generator": 3e-7, "mixed": 4e-6}
    measured(out, "parity", "head", **{"relative error": errors})
    measured(out, "parity", "steps", **{"relative error after three steps": {"exact": 3e-13}})
    for name, (ms, host, memory) in STEPS.items():
        row = {"batch": 256, "ms": ms, "ratio": ms / 8, "host_ms": host, "device_ms": 0.9 * ms}
        row |= {"kernels": 900.0, "images_per_s": 256e3 / ms, "peak_GiB": memory}
        measured(out, "step", f"bf16,256 {name}", **row)
    epochs = [
        {"epoch": number, "whole": whole, "training": 1.9, "validation": 0.0, "images_per_s": 26e3}
        for number, whole in enumerate(EPOCHS)
    ]
    epochs[0]["until the first epoch"] = 12.0
    fit = {"epochs": epochs, "images of an epoch": 49_920}
    measured(out, "fit", "command_line:shipped", **fit)
    for row in ("oucl", "metaug"):
        for epoch, score in ((1, 40.0), (4, 61.0), (8, 70.0)):
            values = {"epoch": epoch, "train/loss": 3.0, "val/knn_top1": score}
            measured(out, "learn", row, **values)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def verdicts(out):
    return [(bar.what, bar.value, bar.verdict) for bar in bars(Results(out))]


def test_bars_of_a_run_on_a_gpu(out):
    gpu_run(out)
    shown = [(value and round(value, 6), verdict) for _, value, verdict in verdicts(out)]
    assert shown == [
        (3, "**not reached**"),
        (1.35, "reached"),
        (None, "not measured"),  # batch 1024
        (3.0, "**not reached**"),
        (None, "not measured"),
        (0.75, "reached"),
        (round(6 / 9.72, 6), "reached"),
        # 12 s for epochs 2 to 6; the first and the last do not count
        (round(49_920 / 2.4 / (256e3 / 6.0), 6), "**not reached**"),
        (8.2, "reached"),
        (1.05, "reached"),
        (1.35, "**not reached**"),
        (4e-6, "**not reached**"),
    ]


def test_nothing_counts_without_a_gpu(out):
    gpu_run(out)
    measured(out, "env", "facts", cpu="Xeon", cpus=2, memory_GiB=8.0, versions={})
    assert {verdict for *_, verdict in verdicts(out)} == {"not measured"}


def test_the_report_names_what_failed_and_what_was_left_out(out, tmp_path):
    gpu_run(out)
    records.append(
        out, {"part": "parity", "task": "resume", "ok": False, "error": "ValueError: no luck"}
    )
    left_out = ["steps:exact,256", "steps:lookahead,256"]
    records.append(out, {"part": "settings", "ok": False, "left out": left_out})
    measured(out, "settings", "steps:lookahead,256", steps={})  # by a later run
    records.append(out, {"part": "step", "task": "x", "ok": False, "error": "out of its time"})
    measured(out, "step", "x")  # tried again, and right
    report = write(out, tmp_path)
    text = report.read_text()
    assert report.name.endswith("-nvidia-h100-80gb-hbm3.md")
    for line in (
        "- command: `python -m benchmarks.gpu --minutes 9`",
        "- commit: abc1234",
        "- machine: Xeon, 16 CPUs, 128 GiB, 1 × NVIDIA H100 80GB HBM3",
        "- versions: Python 3.12.1, torch 2.11.0",
        "- **failed**: parity resume: ValueError: no luck",
        "- not measured, no time left: settings: steps:exact,256",
        "| `lookahead` over lightly's SimCLR step, batch 256 | ≤ 1.36 | 1.35 | reached |",
        "| waits of a step of lookahead | 2 × `pairs.py:197` | **FAULT** |",
        "| three whole steps in float64, beside the CPU's | largest relative error 3.0e-13 | right",
        "so 200 epochs would take 8.2 min (an estimate: start + 200 × epoch).",
        f"![steps and learning curves]({report.stem}.svg)",
    ):
        assert line in text, line
    assert "out of its time" not in text
    figure = report.with_suffix(".svg").read_text()
    assert "<svg" in figure
    write(out, tmp_path)
    assert report.with_suffix(".svg").read_text() == figure


def test_a_fault_is_told(out, tmp_path):
    gpu_run(out)
    measured(out, "parity", "steps", **{"relative error after three steps": {"exact": 3e-5}})
    memory = {"exact": {"after the third step, MiB": 10.0, "after the last, MiB": 90.0}}
    measured(out, "parity", "memory", memory=memory)
    engines = {"exact": {"finite": True}, "higher": {"error": "out of memory"}}
    measured(out, "parity", "bf16", engines=engines)
    text = write(out, tmp_path).read_text()
    assert "largest relative error 3.0e-05 | **FAULT** |" in text
    assert "exact +80.0 MiB | **FAULT** |" in text
    assert "exact finite, higher NOT | **FAULT** |" in text


def test_a_folder_without_results(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu.report", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no results.jsonl" in done.stderr
