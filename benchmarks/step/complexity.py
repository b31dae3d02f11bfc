"""How the cost of everything after the encoder grows, each quantity as a curve with its exponent.

    python -m benchmarks.step.complexity

One meta step of engine `lookahead` on given features: the objective and its gradients, the
objective at the look-ahead, the mixed second derivative, and drawing from and updating the memory
bank where there is one. The encoder's own cost grows with batch times views. Processor time, the
least of some repetitions; the exponent is the slope of a straight line through the logarithms of
the largest three points. Report and figure go to `benchmarks/step/reports/`.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import matplotlib
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    MarginRegularization,
    MemoryBank,
    MetAugObjective,
)
from metaug.lightning_modules.meta_gradient.objective_gradients import DifferentiableObjective
from metaug.lightning_modules.objectives.row_blocks import BatchObjective
from torch.nn.functional import normalize

from benchmarks.machine import describe_machine

matplotlib.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Size:
    """What the cost depends on.

    Attributes:
        batch: Instances of the global batch.
        views: V.
        feature_size: D.
        negatives: K, entries drawn from the memory bank; 0 for in-batch negatives.
        generator_width: Hidden size of the generator.
        images: Training images, entries of the memory bank.
    """

    batch: int = 256
    views: int = 2
    feature_size: int = 128
    negatives: int = 0
    generator_width: int = 256
    images: int = 50_000


@dataclass(frozen=True)
class Curve:
    """One quantity varied, the others as in `start`; `needed` is the exponent of the pairs."""

    values: tuple[int, ...]
    start: Size
    needed: int


BANK = Size(batch=64, negatives=1024)
CURVES = {
    "batch": Curve((128, 256, 512, 1024, 2048), Size(), 2),
    "views": Curve((2, 3, 4, 6, 8), Size(), 2),
    "feature_size": Curve((64, 256, 1024, 4096), Size(), 1),
    "negatives": Curve((1024, 4096, 16_384, 65_536), BANK, 1),
    "generator_width": Curve((256, 1024, 4096, 16_384), Size(), 1),
    "images": Curve((10_000, 100_000, 1_000_000), BANK, 0),
}


def prepare(size: Size) -> Callable[[], None]:
    """The work of one step at this size."""
    generator = AugmentationGenerator(size.feature_size, size.views, size.generator_width)
    objective = MetAugObjective(margin=MarginRegularization())
    params = list(generator.parameters())
    shape = (size.batch, size.views, size.feature_size)
    features = normalize(torch.randn(shape), dim=-1)
    ahead = normalize(features + 0.1 * torch.randn(shape), dim=-1)
    index = torch.arange(size.batch)
    bank = None
    if size.negatives:
        bank = MemoryBank(size.negatives)
        bank.allocate(size.images, size.views, size.feature_size)

    def step() -> None:
        negatives = None if bank is None else bank.draw(0)
        batch = BatchObjective(objective, generator, size.batch, size.views, negatives, index)
        head = DifferentiableObjective(batch.inner, params)
        point = head.gradients_at(features, second_order=True)
        head.gradients_at(ahead)
        point.mixed_derivative(features - ahead)
        if bank is not None:
            bank.update(features, index)

    return step


def measure(size: Size, repetitions: int) -> float:
    """Least seconds of processor time of a step."""
    step = prepare(size)
    step()
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return min(seconds)


def exponent(values: list[int], seconds: list[float]) -> float:
    """Slope of the logarithms of the largest three points."""
    return statistics.linear_regression(
        [math.log(value) for value in values[-3:]], [math.log(each) for each in seconds[-3:]]
    ).slope


def draw(found: dict[str, list[float]], path: Path) -> None:
    """A panel per quantity, both axes logarithmic."""
    figure, panels = plt.subplots(2, 3, sharey=True, figsize=(9, 5), layout="constrained")
    for panel, (name, seconds) in zip(panels.flat, found.items(), strict=True):
        values = list(CURVES[name].values)
        panel.loglog(values, [1000 * each for each in seconds], "o-", color="#3b6fb6")
        slope = exponent(values, seconds)
        panel.set_title(f"{name.replace('_', ' ')}: exponent {slope:.1f}", fontsize=9)
        panel.set_xticks(values, [f"{value:,}" for value in values], fontsize=7, rotation=30)
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[:, 0]:
        panel.set_ylabel("ms of a step, without encoder", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found, rows = (
        {},
        ["| varied | values | ms | exponent | of the pairs |", "|---|---|---|--:|--:|"],
    )
    for name, curve in CURVES.items():
        values = list(curve.values)
        found[name] = [
            measure(replace(curve.start, **{name: value}), arguments.repetitions)
            for value in values
        ]
        rows.append(
            f"| {name.replace('_', ' ')} | {', '.join(f'{value:,}' for value in values)} "
            f"| {', '.join(f'{1000 * each:,.0f}' for each in found[name])} "
            f"| {exponent(values, found[name]):.2f} | {curve.needed} |"
        )
        print(rows[-1], flush=True)
    stem = f"{date.today().isoformat()}-complexity"
    report = HERE / "reports" / f"{stem}.md"
    report.parent.mkdir(exist_ok=True)
    draw(found, report.with_suffix(".png"))
    command = f"python -m benchmarks.step.complexity {' '.join(sys.argv[1:])}".strip()
    lines = [
        f"# How the cost after the encoder grows, {date.today().isoformat()}",
        "",
        *describe_machine(command),
        f"- one thread, least of {arguments.repetitions} repetitions, processor time",
        "",
        f"Varied one by one from {Size()}; negatives and images from {BANK}. Engine `lookahead`, "
        "unified composition with margins. The last column is the exponent that the number of "
        "pairs (or, for sizes, the matrix products) has.",
        "",
        *rows,
        "",
        f"![curves]({stem}.png)",
        "",
    ]
    report.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
