"""The encoder as a function of its parameters: look-ahead passes have no side effects."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from .tensor_slots import TensorSlots


class FunctionalEncoder:
    """`encode(params) -> [n, V, D]` of one batch.

    The first pass is the model's own: it updates BatchNorm statistics and draws from the random
    state. Every later pass replays the first, from copies of the buffers and the random state as
    they were before it, so that dropout and drop-path have the same masks, spectral norms the same
    vectors, and nothing is left behind. Features come in float32 or better.

    Args:
        encoder: `views -> [n, V, D]`.
        names: Names of the parameters that `params` lists.
        views: V image batches `[n, C, H, W]`.
        slots: Those of the encoder, to spare looking for them again; None to look.
        draws: Whether the encoder may draw random numbers, so that their state is kept.
    """

    def __init__(
        self,
        encoder: nn.Module,
        names: Sequence[str],
        views: Sequence[Tensor],
        *,
        slots: TensorSlots | None = None,
        draws: bool = True,
    ) -> None:
        self.encoder = encoder
        self.views = list(views)
        self.slots = slots or TensorSlots(encoder)
        self.draws = draws
        self.own_params = [self.slots.parameters[name] for name in names]
        statistics = _batch_norm_statistics(self.slots.parts)
        self.statistics = list(statistics.values())
        self.own_buffers = [each for each in self.slots.buffers if id(each) not in statistics]
        self.is_first = True
        self.random_state: tuple[Any, ...] | None = None
        self.buffers: list[Tensor] = []

    def __call__(self, params: Sequence[Tensor]) -> Tensor:
        """Encode with the given parameters.

        Raises:
            ValueError: If the encoder's output is not of the shape `[n, V, D]`.
        """
        device = self.views[0].device
        if self.is_first:
            self.is_first = False
            self.random_state = random_state(device) if self.draws else None
            self.buffers = copies(self.own_buffers)
            with self.slots.hold(self.own_params, params):
                return self._encode()
        with (
            replayed(self.random_state, device) if self.random_state else nullcontext(),
            self.slots.hold(self.own_params, params),
            self.slots.hold(self.own_buffers, copies(self.buffers)),
            self.slots.hold(self.statistics, [None] * len(self.statistics)),
        ):
            return self._encode()

    def _encode(self) -> Tensor:
        features = self.encoder(self.views)
        shape = (len(self.views[0]), len(self.views))
        if not isinstance(features, Tensor) or features.ndim != 3 or features.shape[:2] != shape:
            given = list(features.shape) if isinstance(features, Tensor) else type(features)
            raise ValueError(
                f"an encoder must map {shape[1]} views of {shape[0]} images to features "
                f"[{shape[0]}, {shape[1]}, D], but {type(self.encoder).__name__} gave {given}"
            )
        return features if features.dtype == torch.float64 else features.float()


def _batch_norm_statistics(parts: Sequence[nn.Module]) -> dict[int, Tensor]:
    """Running statistics by identity, where a training pass writes them and nothing reads them."""
    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, BatchNormAct2d)
    layers = [part for part in parts if type(part) in plain and part.training]
    buffers = [each for layer in layers for each in layer.buffers(recurse=False)]
    return {id(each): each for each in buffers}


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies without a graph, in one operation for each type."""
    made = [torch.empty_like(tensor) for tensor in tensors]
    for dtype in {tensor.dtype for tensor in tensors}:
        same = [number for number, tensor in enumerate(tensors) if tensor.dtype == dtype]
        with torch.no_grad():
            torch._foreach_copy_([made[n] for n in same], [tensors[n] for n in same])
    return made


def random_state(device: torch.device) -> tuple[Any, ...]:
    """What a pass may draw from: Python's and NumPy's state, torch's, and the device's."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), on_device


def set_random_state(state: tuple[Any, ...], device: torch.device) -> None:
    """Put back what `random_state` gave."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    if state[3] is not None:
        torch.cuda.set_rng_state(state[3], device)


@contextmanager
def replayed(state: tuple[Any, ...], device: torch.device) -> Iterator[None]:
    """Draw from an earlier random state; the present one is put back afterwards.

    Args:
        state: What to draw from.
        device: The device of the computation.
    """
    present = random_state(device)
    set_random_state(state, device)
    try:
        yield
    finally:
        set_random_state(present, device)
