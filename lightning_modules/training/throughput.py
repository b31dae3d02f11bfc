"""How many images a run takes in a second, by Lightning's `Throughput`."""

from time import perf_counter

import torch
from lightning_fabric.utilities.throughput import Throughput
from torch import Tensor


class ImagesPerSecond:
    """Instances, each with all its views, per second of all processes, over the last steps.

    Args:
        window: Number of steps that the rate is taken over, >= 2.
    """

    def __init__(self, window: int = 10) -> None:
        self.throughput = Throughput(window_size=window)
        self.steps = self.images = 0

    def add(self, images: int, device: torch.device) -> Tensor | None:
        """Count a step; give the rate, once the window is full.

        Args:
            images: Instances of the step.
            device: Where the rate is logged: Lightning would wait for a GPU to bring it there.
        """
        self.steps, self.images = self.steps + 1, self.images + images
        self.throughput.update(time=perf_counter(), batches=self.steps, samples=self.images)
        rate = self.throughput.compute().get("device/samples_per_sec")
        return None if rate is None else torch.full((), rate, device=device)
