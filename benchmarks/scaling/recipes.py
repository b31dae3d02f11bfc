"""What a step of every shipped recipe costs: operations and memory, counted without doing it.

    python -m benchmarks.scaling.recipes

The step is the config's own, one process, its batch, in bf16, on tensors without values. Minutes
are those of the counted operations at the rate that `cifar10.yaml` had on an H100, which others
need not have: an estimate, no measurement.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.gpu.recipe import instantiate
from benchmarks.memory import AllocatedMemory

from .counting import VIEWS, Work, take_step, without_values

CONFIGS = Path(__file__).parents[2] / "configs"
IMAGES = {
    "cifar10": (50_000, 32),
    "cifar100": (50_000, 32),
    "stl10": (100_000, 96),
    "tiny_imagenet": (100_000, 64),
    "imagenet100": (126_689, 224),
    "imagenet": (1_281_167, 224),
    "imagenet_vit": (1_281_167, 224),
}
"""Training images and edge in pixels, by config."""
MEASURED_MS = 10.1
"""OUCL alone in `cifar10.yaml`, batch 256, by the report of an H100 in benchmarks/gpu."""


@dataclass(frozen=True)
class Cost:
    """What a recipe costs.

    Attributes:
        parameters: Of the encoder.
        batch: Images of a step and process.
        flops: Floating-point operations of a step.
        gibibytes: Greatest memory of a step: weights, gradients, activations; no optimizer.
    """

    parameters: int
    batch: int
    flops: float
    gibibytes: float


def count(name: str) -> Cost:
    """Count a step of a recipe.

    Args:
        name: A key of `IMAGES`.
    """
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    given: dict[str, Any] = config["model"]["init_args"]
    batch: int = config["data"]["init_args"]["batch_size"]
    size = IMAGES[name][1]
    given["encoder"]["init_args"] |= {"image_size": size, "channels_last": False}  # costs the same
    work, memory = Work(), AllocatedMemory()
    encoder = instantiate(given["encoder"])
    generator = instantiate(given["generator"])
    objective = instantiate(given["objective"])
    with without_values():
        images = torch.empty(batch, VIEWS, 3, size, size)
        with memory, work, torch.autocast("cpu", torch.bfloat16):
            take_step(given["meta"]["engine"], encoder, generator, objective, images)
    parameters = sum(each.numel() for each in encoder.parameters())
    return Cost(parameters, batch, work.flops, (memory.most + 4 * parameters) / 2**30)


def table() -> list[str]:
    """A row per recipe."""
    counted = {name: count(name) for name in IMAGES}
    rate = counted["cifar10"].flops / (MEASURED_MS / 1e3)
    rows = [
        "| config | parameters, M | images a step | TFLOP a step | memory, GiB "
        "| minutes an epoch |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, cost in counted.items():
        minutes = IMAGES[name][0] / cost.batch * cost.flops / rate / 60
        rows.append(
            f"| `{name}` | {cost.parameters / 1e6:.1f} | {cost.batch} | {cost.flops / 1e12:.2f} "
            f"| {cost.gibibytes:.1f} | {minutes:.2g} |"
        )
    return rows


if __name__ == "__main__":
    print("\n".join(table()))
