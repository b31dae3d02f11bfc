"""Convolutions in pieces of the batch on a CPU, since a large block of memory costs its pages.

oneDNN reorders what it convolves into blocks of its own, forward and backward. Those of a whole
batch are so large that the C library takes them anew from the system each time, and the system
clears every page of them; those of a piece of the batch stay and are used again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PIECE = 2**22
"""Bytes of an output that a CPU computes at once."""

LEAST = 4
"""Pieces that an output must be larger than, or it is computed whole: blocks of 16 MiB stay with
the C library anyway, and each piece would add a gradient of the weight."""

CONVOLUTIONS: dict[Callable[..., Tensor], int] = {
    functional.conv1d: 1,
    functional.conv2d: 2,
    functional.conv3d: 3,
}
"""torch's convolutions, and the number of axes that each slides along."""


def pieces_of(shape: Sequence[int], like: Tensor) -> list[slice]:
    """The pieces of a batch in which to compute an output; one if it is small, or on a GPU.

    Args:
        shape: Of the output, instances first.
        like: A tensor of the output's type and device.
    """
    size = torch.Size(shape).numel() * like.element_size()
    if like.device.type != "cpu" or size <= LEAST * PIECE:
        return [slice(None)]
    step = max(1, shape[0] * PIECE // size)
    return [slice(start, start + step) for start in range(0, shape[0], step)]


class InPieces(TorchFunctionMode):
    """Computes convolutions piece by piece; they then have first derivatives only.

    Those of contiguous tensors, that is: in channels-last nothing is reordered, and what autocast
    or ``torch.compile`` handles is left to it, like every other operation.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call in pieces, or as torch does."""
        kwargs = kwargs or {}
        if func in CONVOLUTIONS and not torch.compiler.is_compiling():
            output = _convolve(CONVOLUTIONS[func], *args, **kwargs)
            if output is not None:
                return output
        return func(*args, **kwargs)


def _convolve(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """The convolution in pieces; None if that is not for these tensors, or torch will refuse."""
    if (
        isinstance(padding, str)
        or input.dim() != axes + 2
        or not (input.is_contiguous() and weight.is_contiguous())
        or torch.is_autocast_enabled(input.device.type)
    ):
        return None
    steps, pads, holes = (_per_axis(value, axes) for value in (stride, padding, dilation))
    if not len(steps) == len(pads) == len(holes) == axes or min(steps) < 1:
        return None
    lengths = zip(input.shape[2:], weight.shape[2:], steps, pads, holes, strict=True)
    edges = [(n + 2 * pad - hole * (k - 1) - 1) // step + 1 for n, k, step, pad, hole in lengths]
    if min(edges) < 1:
        return None
    shape = [input.shape[0], weight.shape[0], *edges]
    parts = pieces_of(shape, input)
    if len(parts) == 1:
        return None
    return _Convolution.apply(input, weight, bias, shape, parts, (steps, pads, holes), groups)


def _per_axis(value: int | Sequence[int], axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


class _Convolution(torch.autograd.Function):
    """A convolution and its gradients, piece by piece."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        shape: list[int],
        parts: list[slice],
        geometry: tuple[list[int], list[int], list[int]],
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.parts, ctx.geometry, ctx.groups = parts, geometry, groups
        output = input.new_empty(shape)
        unused = [0] * len(geometry[0])
        for part in parts:
            output[part] = torch.convolution(
                input[part], weight, bias, *geometry, False, unused, groups
            )
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        input, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        through = torch.empty_like(input) if wanted[0] else None
        totals: list[Tensor | None] = [None, None]
        unused = [0] * len(ctx.geometry[0])
        for part in ctx.parts:
            own, *sums = torch.ops.aten.convolution_backward(
                grad[part], input[part], weight, ctx.bias_sizes, *ctx.geometry,
                False, unused, ctx.groups, wanted,
            )  # fmt: skip
            if through is not None:
                through[part] = own
            totals = [
                each if total is None else total.add_(each)
                for total, each in zip(totals, sums, strict=True)
            ]
        return through, *totals, None, None, None, None
