"""Randomness that belongs to an image, not to the process that augments it.

Every random number is a hash of (seed, epoch, image, view, count), computed for a whole batch at
once. So the views of an image are the same for any number of workers or processes, in any batch, on
any device, and no global random state is read or changed.
"""

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_UNIT = 1.0 / (1 << 24)
_BLOCK = 32  # numbers per image that are made at once; SimCLR's recipe takes 29


def _shift_right(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _wrap(value: int) -> int:
    """Reduce a Python integer to int64, as the hardware does."""
    return ((value + (1 << 63)) % (1 << 64)) - (1 << 63)


def mix(value: Tensor) -> Tensor:
    """Scramble int64 values (the finalizer of splitmix64, Steele et al., OOPSLA 2014)."""
    # int64 products wrap modulo 2^64; shifts fill with zeros, as of unsigned integers
    value = (value ^ _shift_right(value, 30)) * _MIX_1
    value = (value ^ _shift_right(value, 27)) * _MIX_2
    return value ^ _shift_right(value, 31)


def on_cpu(tensor: Tensor) -> bool:
    """Whether work on a tensor may depend on its values without waiting for a device."""
    return tensor.device.type == "cpu"


def move(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; to a GPU by pinned memory, so that nothing waits."""
    if device.type == "cuda" and on_cpu(tensor):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def sample_seeds(seed: int, epoch: Tensor | int, index: Tensor) -> Tensor:
    """Seed of each image's views.

    Args:
        seed: Seed of the run.
        epoch: Epoch of every image `[N]`, or one for all.
        index: Position of every image in the training set `[N]`, int64.

    Returns:
        Seeds `[N]`, int64.
    """
    base = mix(torch.tensor(_wrap(seed + _GOLDEN), device=index.device))
    epoch = torch.as_tensor(epoch, dtype=torch.int64, device=index.device)
    return mix(mix(base + epoch * _GOLDEN) + index * _GOLDEN)


class Draws:
    """A stream of random numbers for each image of a batch.

    Numbers are made `_BLOCK` at a time and handed out one after the other: few operations, however
    many changes draw.

    Args:
        seeds: Seed of every image `[N]`, int64.
        streams: Number of the stream, or V numbers; the views of an image take different ones.
    """

    def __init__(self, seeds: Tensor, streams: int | range = 0) -> None:
        if isinstance(streams, int):
            streams = range(streams, streams + 1)
        steps = torch.arange(streams.start + 1, streams.stop + 1, device=seeds.device) * _GOLDEN
        self._state = mix(steps[:, None] + seeds).flatten()  # [V * N], views side by side
        self._block = torch.empty(len(self._state), 0, device=seeds.device)  # numbers not drawn yet
        self._count = 0  # numbers made so far, the same for every image

    def __len__(self) -> int:
        return len(self._state)

    @property
    def device(self) -> torch.device:
        """Device of the numbers."""
        return self._state.device

    def follow(self, tensor: Tensor) -> None:
        """Go to a tensor's device: images of different sizes are framed by numbers on the CPU."""
        self._state, self._block = (
            move(part, tensor.device) for part in (self._state, self._block)
        )

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """One uniform number per image, `[N]` float32 in `[low, high)`."""
        number = self._take(1)[:, 0]
        return number if (low, high) == (0.0, 1.0) else number * (high - low) + low

    def uniforms(self, count: int) -> Tensor:
        """Uniform numbers in `[0, 1)`, `[N, count]` float32."""
        return self._take(count).contiguous()

    def _take(self, count: int) -> Tensor:
        missing = count - self._block.shape[1]
        if missing > 0:
            block = self._make(max(missing, _BLOCK))
            left = self._block.shape[1]
            self._block = torch.cat([self._block, block], dim=1) if left else block
        taken, self._block = self._block.tensor_split([count], dim=1)
        return taken

    def _make(self, count: int) -> Tensor:
        """The next numbers of the streams, `[N, count]`."""
        steps = torch.arange(self._count + 1, self._count + count + 1, device=self.device)
        self._count += count
        bits = mix(self._state[:, None] + steps * _GOLDEN)  # 64 random bits each
        return _shift_right(bits, 40).to(torch.float32) * _UNIT  # the upper 24 as float32 holds

    def normals(self, count: int) -> Tensor:
        """Standard normal numbers, `[N, count]` float32."""
        # half a step above the largest uniform rounds to 1, whose quantile is infinite
        middles = (self.uniforms(count) + 0.5 * _UNIT).clamp_(max=1.0 - _UNIT)
        return torch.special.ndtri(middles)

    def chance(self, probability: float) -> Tensor:
        """True with the given probability, `[N]` bool."""
        return self.uniform() < probability
