"""What every task is given, and how tasks time and compare."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Context:
    """Where a task runs.

    Attributes:
        device: The device under test.
        smoke: Whether this is the trial on a CPU, with tiny sizes.
        out: Folder of the results.
        images: The file that `benchmarks.gpu.images` wrote.
        processes: How many are compared with one.
    """

    device: torch.device
    smoke: bool
    out: Path
    images: Path
    processes: int = 1

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def accelerator(self) -> str:
        """Lightning's name of the device."""
        return "gpu" if self.on_gpu else "cpu"

    def sized(self, full: Any, tiny: Any) -> Any:
        """The first in a measurement, the second in the trial."""
        return tiny if self.smoke else full


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_seconds(
    device: torch.device, work: Callable[[], Any], repeat: int = 10, warm_up: int = 3
) -> float:
    """Median seconds of a piece of work, each call waited for.

    Args:
        device: Where the work runs.
        work: What is timed.
        repeat: Timed calls.
        warm_up: Calls before them.
    """
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(repeat):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def relative_error(values: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """`|values - reference| / |reference|` over all tensors as one vector, in float64 on the CPU.

    Args:
        values: Tensors.
        reference: Tensors of the same shapes.
    """
    if not reference:
        return 0.0
    flat = [
        torch.cat([each.detach().cpu().double().flatten() for each in tensors])
        for tensors in (values, reference)
    ]
    return float((flat[0] - flat[1]).norm() / flat[1].norm().clamp_min(1e-300))
