"""The tangent pass with less work: what the first pass computed is kept, normalisation is fused.

Plain forward-mode AD repeats the primal pass and takes BatchNorm's tangent apart into a dozen
element-wise operations. Here convolutions and linear layers take their output from the first pass,
BatchNorm its statistics (on a CPU, where torch hands them out). Its tangent is affine in its input
and the input's tangent: the two sums over the batch are those of its backward kernel, since the
Jacobian of the normalisation is symmetric. On a CPU the two products of a tangent are computed in
pieces, and a ReLU that overwrites its input does so with the tangent too, because a large block
anew from the system costs its pages. Every other operation is left to torch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .pieces import CONVOLUTIONS, pieces_of

PRODUCTS: tuple[Callable[..., Tensor], ...] = (*CONVOLUTIONS, functional.linear)
"""Functions ``f(input, weight, bias, ...)`` that are linear in the input and in the weight."""

MIN_WORK = 1024
"""Multiply-adds per output number from which on an output is kept: cheaper ones are computed again,
so that what is kept takes little memory for the work it saves."""


class Normalization(NamedTuple):
    """A call of ``torch.nn.functional.batch_norm``; see there for the fields."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5

    @property
    def hands_out_statistics(self) -> bool:
        """Whether :meth:`by_batch` may stand for torch's call: on a CPU, where torch accepts it."""
        values = self.input.numel() // max(self.input.shape[1], 1)
        on_cpu = self.input.device.type == "cpu"
        return self.training and on_cpu and values > 1 and self.eps > 0

    def by_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """The output, and mean and inverse deviation of each channel (empty in evaluation)."""
        buffers = (self.running_mean, self.running_var, self.training, self.momentum, self.eps)
        return torch.native_batch_norm(self.input, self.weight, self.bias, *buffers)

    def dual(self, kept: tuple[Tensor, Tensor] | None) -> Tensor:
        """The output of a dual input.

        Args:
            kept: Mean and inverse deviation of the same batch, or None to compute them again.
        """
        x, dx = _unpack(self.input)
        w, dw = _unpack(self.weight)
        b, db = _unpack(self.bias)
        if dx is None or (dw is None and db is not None):
            return functional.batch_norm(*self)
        if kept is None:
            value, mean, inverse = self._replace(input=x, weight=w, bias=b).by_batch()
        else:
            mean, inverse = kept
            value = _scale(x, w, b, mean, inverse)
        # the tangent is affine in x and dx, channel by channel; only two sums are over the batch
        if not self.training and self.running_mean is not None and self.running_var is not None:
            mean, inverse = self.running_mean, (self.running_var + self.eps).rsqrt()
        gain = inverse if w is None else inverse * w
        zeros = torch.zeros_like(gain)
        slope = zeros if dw is None else dw
        shift = zeros if db is None else db
        if self.training:
            number = x.numel() // x.shape[1]
            _, along, across = torch.ops.aten.native_batch_norm_backward(
                dx, x, w, self.running_mean, self.running_var, mean, inverse, True, self.eps,
                [False, True, True],
            )  # fmt: skip
            slope = slope - gain * (along / number)
            shift = shift - gain * (across / number)
        slope = slope * inverse
        tangent = _scale(dx, gain, shift - mean * slope, zeros, torch.ones_like(mean))
        tangent.addcmul_(x, slope.view([-1] + [1] * (x.dim() - 2)))
        return forward_ad.make_dual(value, tangent)


def _scale(
    values: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, inverse: Tensor
) -> Tensor:
    """``(values - mean) * inverse * weight + bias``, channel by channel, in one kernel."""
    return torch.native_batch_norm(
        values, weight, bias, mean, inverse.pow(-2), False, 0.0, 0.0
    )[0]  # fmt: skip


class KeepProducts(TorchFunctionMode):
    """Keeps outputs of convolutions and linear layers, and BatchNorm's statistics, of a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[tuple[Tensor, int] | None] = []
        self.statistics: list[tuple[Tensor, Tensor] | None] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call, and keep the output of a product or the statistics of BatchNorm."""
        if func is functional.batch_norm:
            normalized = Normalization(*args, **(kwargs or {}))
            if normalized.hands_out_statistics:
                output, *statistics = normalized.by_batch()
                self.statistics.append((statistics[0].detach(), statistics[1].detach()))
                return output
            self.statistics.append(None)
        output = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            worth = len(args) > 1 and args[1].shape[1:].numel() >= MIN_WORK
            # detach() shares the version counter, which tells whether the output was overwritten
            self.products.append((output.detach(), output._version) if worth else None)
        return output

    def take(self, number: int, like: Tensor) -> Tensor | None:
        """Output ``number``, once; None if it was not kept, was overwritten, or is of other form.

        Args:
            number: Which product of the pass, from 0.
            like: The input, whose instances the output must have.
        """
        if number >= len(self.products):
            return None
        product, self.products[number] = self.products[number], None
        if product is None or product[0]._version != product[1]:
            return None
        return product[0] if product[0].shape[:1] == like.shape[:1] else None

    def take_statistics(self, number: int, like: Tensor) -> tuple[Tensor, Tensor] | None:
        """Mean and inverse deviation of BatchNorm ``number``; None if they were not kept.

        Args:
            number: Which BatchNorm of the pass, from 0.
            like: The input, whose channels they must be of.
        """
        found = self.statistics[number] if number < len(self.statistics) else None
        return found if found is not None and found[0].shape == like.shape[1:2] else None


class TangentRules(TorchFunctionMode):
    """Pushes duals through products and BatchNorm by rules of its own.

    Args:
        kept: The same pass, at the same parameters, without duals.
    """

    def __init__(self, kept: KeepProducts) -> None:
        super().__init__()
        self.kept = kept
        self.number = 0
        self.norm_number = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call by a rule, or as torch does."""
        kwargs = kwargs or {}
        if func in PRODUCTS:
            number, self.number = self.number, self.number + 1
            if len(args) > 1:
                return self._product(number, func, *args, **kwargs)
        if func is functional.relu and kwargs.get("inplace", len(args) > 1 and args[1]):
            return _rectify(args[0])
        if func is functional.batch_norm:
            number, self.norm_number = self.norm_number, self.norm_number + 1
            norm = Normalization(*args, **kwargs)
            return norm.dual(self.kept.take_statistics(number, norm.input))
        return func(*args, **kwargs)

    def _product(
        self,
        number: int,
        func: Callable[..., Tensor],
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **kwargs: Any,
    ) -> Tensor:
        x, dx = _unpack(input)
        w, dw = _unpack(weight)
        b, db = _unpack(bias)
        value = self.kept.take(number, x)
        if dw is None and (dx is None or db is not None):
            return func(input, weight, bias, *rest, **kwargs)
        if value is None:
            value = func(x, w, b, *rest, **kwargs)

        def product(part: Any) -> Any:
            total = None if dw is None else func(x[part], dw, db, *rest, **kwargs)
            if dx is None:
                return total
            through = func(dx[part], w, None, *rest, **kwargs)
            return through if total is None else total.add_(through)

        parts = pieces_of(value.shape, value) if x.dim() == w.dim() else []
        if len(parts) < 2:
            return forward_ad.make_dual(value, product(...))
        tangent = torch.empty_like(value)
        for part in parts:
            tangent[part] = product(part)
        return forward_ad.make_dual(value, tangent)


def _rectify(input: Tensor) -> Tensor:
    """ReLU of a dual, value and tangent in place."""
    value, tangent = _unpack(input)
    value.relu_()
    if tangent is not None:
        torch.ops.aten.threshold_backward.grad_input(tangent, value, 0, grad_input=tangent)
    return input


def _unpack(value: Tensor | None) -> tuple[Any, Tensor | None]:
    if value is None:
        return None, None
    return tuple(forward_ad.unpack_dual(value))
