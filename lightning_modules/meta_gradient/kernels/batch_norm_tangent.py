"""The tangent of BatchNorm as one affine pass.

torch's forward-mode rule takes the normalization apart into a dozen element-wise operations. The
tangent is affine in the input and the input's tangent, channel by channel, and the two sums over
the batch in it are those of the backward kernel, since the Jacobian of the normalization is
symmetric.

Without this rule a step of engine `exact` takes 7 % more time (9 % in channels-last), at the same
FLOPs and memory. ResNet-18, 32 pixels, batch 64, one CPU thread: medians of three rounds,
2026-11-26, `python -m benchmarks.step.kernels`.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional


class Normalization(NamedTuple):
    """A call of `torch.nn.functional.batch_norm`; see there for the fields."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5

    def dual(self) -> Tensor:
        """The output of a dual input, as a dual tensor."""
        x, dx = unpack_dual(self.input)
        weight, d_weight = unpack_dual(self.weight)
        bias, d_bias = unpack_dual(self.bias)
        if x is None or dx is None or (d_weight is None and d_bias is not None):
            return functional.batch_norm(*self)
        value, mean, inverse = torch.native_batch_norm(
            x, weight, bias, self.running_mean, self.running_var,
            self.training, self.momentum, self.eps,
        )  # fmt: skip
        if not self.training and self.running_mean is not None and self.running_var is not None:
            mean, inverse = self.running_mean, (self.running_var + self.eps).rsqrt()
        # d value = gain * dx + slope * (x - mean) + shift, each of the three one number a channel
        gain = inverse if weight is None else inverse * weight
        zeros, ones = _constants(len(gain), gain.dtype, gain.device)
        slope = zeros if d_weight is None else d_weight
        shift = zeros if d_bias is None else d_bias
        if self.training:  # mean and deviation of the batch have tangents too
            part = -x.shape[1] / x.numel()
            _, along, across = torch.ops.aten.native_batch_norm_backward(
                dx, x, weight, self.running_mean, self.running_var, mean, inverse, True, self.eps,
                [False, True, True],
            )  # fmt: skip
            slope = torch.addcmul(slope, gain, along, value=part)
            shift = torch.addcmul(shift, gain, across, value=part)
        slope = slope * inverse
        shift = torch.addcmul(shift, mean, slope, value=-1)
        # gain * dx + shift, channel by channel, in one kernel
        tangent = torch.native_batch_norm(dx, gain, shift, zeros, ones, False, 0.0, 0.0)[0]
        tangent.addcmul_(x, slope.view([-1] + [1] * (x.dim() - 2)))
        return forward_ad.make_dual(value, tangent)


@lru_cache(maxsize=128)
def _constants(channels: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Zeros and ones, a number a channel, made once."""
    with torch.inference_mode(False), torch.no_grad():
        kind: Any = {"dtype": dtype, "device": device}
        return torch.zeros(channels, **kind), torch.ones(channels, **kind)


def unpack_dual(value: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Primal and tangent of a tensor; None for what is not there."""
    if value is None:
        return None, None
    primal, tangent = forward_ad.unpack_dual(value)
    return primal, tangent
