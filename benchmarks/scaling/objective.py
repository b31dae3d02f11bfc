"""Worker: the objective alone, whole or in blocks of rows."""

import json
import sys
import time
from pathlib import Path

import torch
from metaug.lightning_modules import AugmentationGenerator, MarginRegularization, MetAugObjective
from metaug.lightning_modules.meta_gradient.objective_gradients import DifferentiableObjective
from metaug.lightning_modules.objectives import row_blocks as blocks
from torch.nn.functional import normalize

from benchmarks.memory import PeakMemory


def main() -> None:
    """Evaluate once to warm up on few instances, then on all."""
    out, count, evaluation, name = sys.argv[1:]
    if evaluation == "whole":
        blocks.MAX_SIMILARITIES = 2**62
    torch.manual_seed(0)
    device = torch.device(name)
    generator = AugmentationGenerator().to(device)
    objective = MetAugObjective(margin=MarginRegularization())

    def evaluate(instances: int) -> int:
        features = normalize(torch.randn(instances, 2, 128, device=device), dim=-1)
        batch = blocks.BatchObjective(objective, generator, instances, 2)
        point = DifferentiableObjective(batch.inner, list(generator.parameters())).gradients_at(
            features, second_order=True
        )
        float(sum(mix.sum() for mix in point.mixed_derivative(torch.randn_like(features))))
        return len(batch.blocks)

    evaluate(16)
    with PeakMemory(device) as memory:
        start = time.perf_counter()
        count_of_blocks = evaluate(int(count))
        elapsed = time.perf_counter() - start
    result = {"time": elapsed, "memory": memory.peak, "blocks": count_of_blocks}
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
