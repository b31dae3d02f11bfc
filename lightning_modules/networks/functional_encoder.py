"""The encoder as a function of its parameters: look-ahead passes have no side effects."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call


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
    """

    def __init__(self, encoder: nn.Module, names: Sequence[str], views: Sequence[Tensor]) -> None:
        self.encoder = encoder
        self.names = names
        self.views = list(views)
        self.random_state: list[Tensor] | None = None
        self.buffers: dict[str, Tensor] = {}

    def __call__(self, params: Sequence[Tensor]) -> Tensor:
        """Encode with the given parameters."""
        state = dict(zip(self.names, params, strict=True))
        if self.random_state is None:
            self.random_state = _random_state(self.views[0].device)
            self.buffers = _copies(dict(self.encoder.named_buffers()))
            return self._encode(state)
        state.update(_copies(self.buffers))
        with replayed(self.random_state, self.views[0].device):
            return self._encode(state)

    def _encode(self, state: dict[str, Tensor]) -> Tensor:
        features = functional_call(self.encoder, state, (self.views,))
        shape = (len(self.views[0]), len(self.views))
        if not isinstance(features, Tensor) or features.ndim != 3 or features.shape[:2] != shape:
            given = list(features.shape) if isinstance(features, Tensor) else type(features)
            raise ValueError(
                f"an encoder must map {shape[1]} views of {shape[0]} images to features "
                f"[{shape[0]}, {shape[1]}, D], but {type(self.encoder).__name__} gave {given}"
            )
        return features if features.dtype == torch.float64 else features.float()


def _copies(buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.detach().clone() for name, buffer in buffers.items()}


def _random_state(device: torch.device) -> list[Tensor]:
    state = [torch.get_rng_state()]
    if device.type == "cuda":
        state.append(torch.cuda.get_rng_state(device))
    return state


def _set_random_state(state: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.cuda.set_rng_state(state[1], device)


@contextmanager
def replayed(state: Sequence[Tensor], device: torch.device) -> Iterator[None]:
    """Draw from an earlier random state; the present one is put back afterwards.

    Args:
        state: What to draw from: the CPU's state, and the device's if it is a GPU.
        device: The device of the computation.
    """
    present = _random_state(device)
    _set_random_state(state, device)
    try:
        yield
    finally:
        _set_random_state(present, device)
