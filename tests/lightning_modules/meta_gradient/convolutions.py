"""Watching the convolutions that a pass makes."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Largest(TorchDispatchMode):
    """The largest convolution of a pass, and how many there were.

    Attributes:
        forward: The most instances of one.
        backward: The same of its gradients.
        numbers: The most numbers that one put out.
        calls: How many there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward = self.backward = self.numbers = self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            self.forward = max(self.forward, len(args[0]))
            self.numbers = max(self.numbers, output.numel())
            self.calls += 1
        if func is torch.ops.aten.convolution_backward.default:
            self.backward = max(self.backward, len(args[0]))
        return output
