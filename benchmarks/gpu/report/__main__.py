"""Makes the dated report of a folder of results: bars, checks, tables, a figure.

    python -m benchmarks.gpu.report OUT [--into FOLDER]

`benchmarks.gpu` calls it at its end. Parts that were measured by several runs into the same folder
stand in one report; of a task that was run again the latest counts.
"""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import tables
from .bars import bars
from .checks import parity_table
from .figure import draw
from .results import Results


def header(results: Results) -> list[str]:
    """What the figures come from: hardware, versions, commit, date, commands."""
    facts: dict[str, Any] = results.get("env", "facts") or {}
    commands = [record for record in results.records if record.get("task") == "command"]
    minutes = [record["minutes"] for record in results.records if "minutes" in record]
    versions = ", ".join(
        f"{name} {version}"
        for name, version in facts.get("versions", {}).items()
        if version != "(absent)"
    )
    gpu = facts.get("gpu") or "no GPU"
    machine = [
        facts.get("cpu", "processor not recorded"),
        f"{facts.get('cpus', '?')} CPUs",
        f"{facts.get('memory_GiB', float('nan')):.0f} GiB",
        f"{facts.get('gpus', 1)} × {gpu}" if facts.get("gpu") else gpu,
    ]
    lines = [
        *(f"- command: `{record['command']}`" for record in commands),
        f"- commit: {facts.get('commit', 'not recorded')}",
        f"- machine: {', '.join(machine)}",
        f"- versions: Python {facts.get('python', '?')}, {versions}",
    ]
    if facts.get("gpu"):
        cuda, cudnn, driver = (facts.get(key) for key in ("cuda", "cudnn", "nvidia-smi"))
        lines.append(f"- CUDA {cuda}, cuDNN {cudnn}; nvidia-smi: {driver or 'silent'}")
    if minutes:
        lines.append(f"- time: {', '.join(f'{each:.1f}' for each in minutes)} min")
    return lines


def failures(results: Results) -> list[str]:
    """What failed, with its error, and what there was no time for."""
    lines = [
        f"- **failed**: {record['part']} {record.get('task', '')}: "
        f"{record.get('error') or _last_words(record)}"
        for record in results.failures
    ]
    lines += [f"- not measured, no time left: {names}" for names in results.left_out]
    return ["## What failed or was left out", "", *lines, ""] if lines else []


def _last_words(record: dict[str, Any]) -> str:
    output = record.get("output") or record.get("pytest") or "no message"
    return " ".join(str(output).split())[-300:]


def rates(results: Results) -> list[str]:
    """What the device does at most."""
    measured = results.get("env", "rates")
    if not measured:
        return tables.NOTHING
    products = ", ".join(f"{name} {rate:.4g}" for name, rate in measured["matmul_TFLOP_s"].items())
    times = ", ".join(f"{name} {value:.3g}" for name, value in measured["us"].items())
    return [
        f"Copies {measured['copy_TB_s']:.3g} TB/s; products in TFLOP/s: {products}; "
        f"microseconds: {times}.",
        "",
        *tables.table(
            ["convolutions, TFLOP/s forward / backward", *_layers(measured)],
            (
                [name, *(f"{rate[0]:.3g} / {rate[1]:.3g}" for rate in layers.values())]
                for name, layers in measured["convolution_TFLOP_s"].items()
            ),
        ),
    ]


def _layers(measured: dict[str, Any]) -> list[str]:
    return list(next(iter(measured["convolution_TFLOP_s"].values())))


def write(out: Path, into: Path) -> Path:
    """Write the report and its figure.

    Args:
        out: Folder of the results.
        into: Folder of the report.

    Returns:
        The report.

    Raises:
        ValueError: If there are no results.
    """
    results = Results(out)
    if not results.records:
        raise ValueError(f"{out} has no results.jsonl, or it is empty; run benchmarks.gpu first")
    date = datetime.fromtimestamp(results.records[-1]["at"], UTC).date().isoformat()
    device = results.gpu or "cpu"
    name = f"{date}-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}"
    figure = into / f"{name}.svg"
    drawn = draw(results, figure)
    sections = {
        "Right": parity_table(results),
        "Precision": tables.precision(results),
        "A step": tables.steps(results),
        "From end to end": tables.end_to_end(results),
        "Profile": tables.profile(results),
        "Settings": tables.settings(results),
        "Several processes": tables.several(results),
        "Learning": tables.learning(results),
        "Rates": rates(results),
    }
    title = "" if results.gpu else ": no GPU, so no bar is measured"
    lines = [
        f"# MetAug on {device}, {date}{title}",
        "",
        *header(results),
        "",
        "## What to reach",
        "",
        "| what | bar | measured | |",
        "|---|--:|--:|---|",
        *(bar.row for bar in bars(results)),
        "",
        *failures(results),
        *([f"![steps and learning curves]({figure.name})", ""] if drawn else []),
    ]
    missing = [heading for heading, content in sections.items() if content == tables.NOTHING]
    for heading, content in sections.items():
        lines += [] if heading in missing else [f"## {heading}", "", *content, ""]
    lines += [f"Not measured: {', '.join(missing)}.", ""] if missing else []
    report = into / f"{name}.md"
    report.write_text("\n".join(lines), encoding="utf-8")
    return report


def main() -> None:
    """Write the report of the command line's folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of results")
    parser.add_argument("--into", type=Path, help="folder of the report; else OUT")
    arguments = parser.parse_args()
    print(f"wrote {write(arguments.out, arguments.into or arguments.out)}", flush=True)


if __name__ == "__main__":
    main()
