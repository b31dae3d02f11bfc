"""Features of unit length, with derivatives in few operations."""

from typing import Any

import torch
from torch import Tensor


class _UnitNorm(torch.autograd.Function):
    """`u = x / |x|` and `|x|`, along the last axis.

    `du = (dx - u (u . dx)) / |x|` is symmetric, so it is the rule of both modes. torch's own
    `normalize` takes four times the operations for its first derivative.
    """

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(1e-12)
        return x / length, length

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_length: Tensor | None) -> Tensor | None:
        unit, length = ctx.saved_tensors
        total = None if grad is None else _across(grad, unit, length)[0]
        if grad_length is not None:  # in a second derivative
            along = unit * grad_length
            total = along if total is None else total + along
        return total

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> tuple[Tensor, Tensor]:
        return _across(tangent, *ctx.saved_tensors)


def _across(vector: Tensor, unit: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """The part of a vector across a unit vector, over its length; and the part along it."""
    along = (unit * vector).sum(-1, keepdim=True)
    return torch.addcmul(vector, unit, along, value=-1) / length, along


def unit_norm(features: Tensor) -> Tensor:
    """Scale features to unit length along the last axis, in float32 or better."""
    precise = features if features.dtype == torch.float64 else features.float()
    return _UnitNorm.apply(precise)[0]
