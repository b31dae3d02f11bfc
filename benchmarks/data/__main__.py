"""How many images per second each pipeline of views makes, beside what a model can take.

    python -m benchmarks.data                    # 32 and 224 pixels, about two minutes
    python -m benchmarks.data --sizes 32 --rounds 3

All pipelines are measured in one run, turn by turn, on one thread; the figure is the median over
the rounds. CPU time is counted, so that other work on the machine disturbs little. The report goes
to `benchmarks/data/reports/`.
"""

import argparse
import os
import statistics
import time
from datetime import date
from pathlib import Path

import torch

from benchmarks.machine import describe_machine

from .pipelines import Pipeline, model_pipelines, view_pipelines

REPORTS = Path(__file__).parent / "reports"


def images_per_second(pipeline: Pipeline) -> float:
    """Run a pipeline once; on a GPU wall time is taken, on the CPU the thread's own."""
    on_gpu = pipeline.device.type != "cpu"
    if on_gpu:
        torch.cuda.synchronize()
    clock = time.perf_counter if on_gpu or pipeline.wall else time.thread_time
    start = clock()
    pipeline.step()
    if on_gpu:
        torch.cuda.synchronize()
    return pipeline.images / (clock() - start)


def measure(pipelines: list[Pipeline], rounds: int) -> dict[str, list[float]]:
    """Time all pipelines, turn by turn, after a round to warm up."""
    results: dict[str, list[float]] = {pipeline.name: [] for pipeline in pipelines}
    for number in range(rounds + 1):
        for pipeline in pipelines:
            speed = images_per_second(pipeline)
            if number > 0:
                results[pipeline.name].append(speed)
    return results


def table(results: dict[str, list[float]], reference: str) -> list[str]:
    """Rows of a Markdown table: median, spread, ratio to the reference."""
    base = statistics.median(results[reference])
    rows = [
        "| pipeline | images/s | lowest to highest | of lightly |",
        "|---|--:|--:|--:|",
    ]
    for name, speeds in results.items():
        middle = statistics.median(speeds)
        rows.append(
            f"| {name} | {middle:,.0f} | {min(speeds):,.0f} to {max(speeds):,.0f} "
            f"| {middle / base:.2f} |"
        )
    return rows


def conclusion(results: dict[str, list[float]]) -> str:
    """What one thread of augmentation can feed."""
    ours = statistics.median(results["ours, images in memory (a batch)"])
    (name,) = (name for name in results if name.startswith("ResNet-18"))
    model = statistics.median(results[name])
    return (
        f"One thread makes the views of {ours:,.0f} images/s, {ours / model:,.1f} times what this "
        "model takes here. An accelerator that trains on S images/s needs "
        f"S / {ours:,.0f} such threads, or `augment_on: device`."
    )


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 224], help="edges in pixels")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions of every measurement")
    parser.add_argument("--device", default="cpu", help="where the model and batched views run")
    parser.add_argument("--no-report", action="store_true", help="print only")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    command = f"python -m benchmarks.data --sizes {' '.join(map(str, arguments.sizes))}"
    command += f" --rounds {arguments.rounds} --device {device}"
    lines = [f"# Views per second, {date.today()}", "", *describe_machine(command), ""]
    lines += [
        "An image is one image with two views. Median over the rounds, all pipelines by turns in "
        f"one process, one thread; load of the machine at the start: {os.getloadavg()[0]:.1f}.",
        "",
    ]
    for size in arguments.sizes:
        results = measure(view_pipelines(size, device), arguments.rounds)
        results |= measure(model_pipelines(size, device), max(2, arguments.rounds // 3))
        lines += [f"## {size} pixels", "", *table(results, "lightly, SimCLRTransform"), ""]
        lines += [conclusion(results), ""]
    report = "\n".join(lines)
    print(report)
    if not arguments.no_report:
        REPORTS.mkdir(exist_ok=True)
        kind = "" if device.type == "cpu" else f"-{device.type}"
        path = REPORTS / f"{date.today()}{kind}.md"
        path.write_text(report)
        print(f"written to {path}")


if __name__ == "__main__":
    main()
