"""Random numbers that follow from a seed and the training step alone."""

import zlib

import numpy as np
import torch
from torch import Tensor, nn


class StepDraws(nn.Module):
    """Draws of a part of the model: the same in any process, block or micro-batch, and on resume.

    A part that holds one as an attribute needs no more: a training step sets the step of each.
    They are made on the CPU, so that any device has the same.

    Args:
        seed: Seed of the draws.
        name: Name of the part; parts of other names draw other numbers from the same seed.
    """

    def __init__(self, seed: int, name: str) -> None:
        super().__init__()
        self.seed = seed
        self.name = name
        self.step = 0

    def set_step(self, step: int) -> None:
        """Take the number of the training step whose draws are wanted."""
        self.step = step

    def generator(self) -> np.random.Generator:
        """The step's generator, from its start."""
        return np.random.default_rng([self.seed, self.step, zlib.crc32(self.name.encode())])


def onto(values: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """What was drawn on the CPU, on a device, without waiting for it.

    Args:
        values: An array or a tensor of the CPU.
        device: Where it is wanted.
    """
    tensor = torch.as_tensor(values)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
