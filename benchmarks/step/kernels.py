"""What the rules in `meta_gradient/kernels` save: a step of engine `exact` without each of them.

    python -m benchmarks.step.kernels                    # ResNet-18, 32 pixels, on one CPU thread
    python -m benchmarks.step.kernels --setting vit_tiny-32 --batch 32 --rounds 3

All variants take turns within one run, in reverse every other round, so that a machine whose speed
changes disturbs them alike; a ratio is the median over the rounds of a step's processor time
divided by that of the same round with all rules. FLOPs are counted by torch, memory is the peak of
the tensors that a step allocates. The report goes to `benchmarks/step/reports/`.
"""

import argparse
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.meta_gradient.kernels import tangent_rules
from torch.nn import functional

from benchmarks.machine import describe_machine
from benchmarks.memory import AllocatedMemory

from . import running
from .running import OneBatch, count_flops, run
from .variants import SETTINGS, build

HERE = Path(__file__).parent
LAYOUTS = {"contiguous": "exact", "channels-last": "exact-cl"}


def _as_torch_does(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    return func(*args, **(kwargs or {}))


@contextmanager
def without_product_cache() -> Iterator[None]:
    """Products of the first pass are computed again in the tangent pass."""
    with mock.patch.object(tangent_rules.ProductCache, "__torch_function__", _as_torch_does):
        yield


@contextmanager
def without_batch_norm_rule() -> Iterator[None]:
    """BatchNorm's tangent is torch's own."""

    def dual(self: Any) -> torch.Tensor:
        return functional.batch_norm(*self)

    with mock.patch.object(tangent_rules.Normalization, "dual", dual):
        yield


@contextmanager
def without_any() -> Iterator[None]:
    """Plain forward-mode differentiation."""
    with (
        without_product_cache(),
        mock.patch.object(tangent_rules.TangentRules, "__torch_function__", _as_torch_does),
    ):
        yield


@contextmanager
def with_all() -> Iterator[None]:
    """The code as it is."""
    yield


VARIANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "all rules": with_all,
    "without the product cache": without_product_cache,
    "without BatchNorm's rule": without_batch_norm_rule,
    "without any": without_any,
}


class Turns(pl.Callback):
    """Switches to the next variant at the start of every step.

    Args:
        names: The variant of each step.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.active = ExitStack()

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Switch the variant's rules off."""
        self.active.enter_context(VARIANTS[self.names[index]]())

    def on_train_batch_end(self, *_: Any) -> None:
        """Switch them on again."""
        self.active.close()


def time_steps(name: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of a step of each variant, round by round, after a round to warm up."""
    setting = SETTINGS[arguments.setting]
    turns = [
        variant
        for number in range(arguments.rounds + 1)
        for variant in list(VARIANTS)[:: -1 if number % 2 else 1]
    ]
    data = OneBatch(arguments.batch, setting.size, len(turns), "cpu", setting.channels)
    seconds = run(build(name, setting), data, "32-true", "cpu", Turns(turns))
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for variant, each in list(zip(turns, seconds, strict=True))[len(VARIANTS) :]:
        times[variant].append(each)
    return times


def measure(name: str, arguments: argparse.Namespace) -> list[str]:
    """The table's rows of a layout."""
    setting = SETTINGS[arguments.setting]
    times = time_steps(name, arguments)
    flops, memory = {}, {}
    for variant, switched in VARIANTS.items():
        single = OneBatch(2, setting.size, 1, "cpu", setting.channels)
        two = OneBatch(arguments.batch, setting.size, 2, "cpu", setting.channels)
        with switched():
            flops[variant] = count_flops(build(name, setting), single, "32-true", "cpu")
            module = build(name, setting)
            with AllocatedMemory() as tensors:  # up to the second step: optimizers have states
                run(module, two, "32-true", "cpu")
        memory[variant] = tensors.peak
    base = "all rules"
    rows = []
    for variant in VARIANTS:
        ratios = [one / all_ for one, all_ in zip(times[variant], times[base], strict=True)]
        rows.append(
            f"| {variant} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to "
            f"{max(ratios):.2f} | {min(times[variant]) / min(times[base]):.2f} "
            f"| {flops[variant] / flops[base]:.2f} | {memory[variant] / memory[base]:.2f} |"
        )
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setting", choices=SETTINGS, default="resnet18-32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    running.clock = time.process_time
    command = f"python -m benchmarks.step.kernels {' '.join(sys.argv[1:])}".strip()
    lines = [
        f"# What the rules of the tangent pass save, {arguments.setting}, {date.today()}",
        "",
        *describe_machine(command),
        f"- engine `exact`, batch {arguments.batch}, 2 views, float32, one thread, "
        f"{arguments.rounds} rounds, processor time",
        "",
        "Whole step, optimizers included, as multiples of the step with all rules: time is the "
        "median over the rounds and, beside it, the ratio of the fastest steps; memory the peak of "
        "the tensors allocated beyond model and data. Without any, the tangent is plain "
        "forward-mode differentiation.",
    ]
    for layout, name in LAYOUTS.items():
        lines += ["", f"## {layout.capitalize()}", ""]
        lines += ["| step | time | lowest to highest | of the fastest | FLOPs | tensors' memory |"]
        lines += ["|---|--:|--:|--:|--:|--:|", *measure(name, arguments)]
    report = HERE / "reports" / f"{date.today()}-kernels-{arguments.setting}.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join([*lines, ""]))
    print(report.read_text())


if __name__ == "__main__":
    main()
