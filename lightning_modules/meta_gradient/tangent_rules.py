"""The tangent pass with less work: products kept from the first pass, normalisation in one kernel.

Plain forward-mode AD repeats the primal pass and takes BatchNorm's tangent apart into a dozen
element-wise operations. Here convolutions and linear layers take their output from the first pass,
and BatchNorm uses its fused backward kernel, since the Jacobian of the normalisation is symmetric.
Every other operation is left to torch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PRODUCTS: tuple[Callable[..., Tensor], ...] = (
    functional.conv1d,
    functional.conv2d,
    functional.conv3d,
    functional.linear,
)
"""Functions ``f(input, weight, bias, ...)`` that are linear in the input and in the weight."""

MIN_WORK = 1024
"""Multiply-adds per output number from which on an output is kept: cheaper ones are computed again,
so that what is kept takes little memory for the work it saves."""


class KeepProducts(TorchFunctionMode):
    """Keeps the outputs of convolutions and linear layers of the pass it surrounds."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[tuple[Tensor, int] | None] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call, and keep the output of a product."""
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


class TangentRules(TorchFunctionMode):
    """Pushes duals through products and BatchNorm by rules of its own.

    Args:
        kept: The same pass, at the same parameters, without duals.
    """

    def __init__(self, kept: KeepProducts) -> None:
        super().__init__()
        self.kept = kept
        self.number = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call by a rule, or as torch does."""
        kwargs = kwargs or {}
        if func in PRODUCTS:
            number, self.number = self.number, self.number + 1
            if len(args) > 1:
                return self._product(number, func, *args, **kwargs)
        if func is functional.batch_norm:
            return _batch_norm(*args, **kwargs)
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
        tangent = None if dw is None else func(x, dw, db, *rest, **kwargs)
        if dx is not None:
            through = func(dx, w, None, *rest, **kwargs)
            tangent = through if tangent is None else tangent.add_(through)
        if value is None:
            value = func(x, w, b, *rest, **kwargs)
        return forward_ad.make_dual(value, tangent)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    x, dx = _unpack(input)
    w, dw = _unpack(weight)
    b, db = _unpack(bias)
    buffers = (running_mean, running_var, training, momentum, eps)
    if dx is None or (dw is None and db is not None):
        return functional.batch_norm(
            input, running_mean, running_var, weight, bias, training, momentum, eps
        )
    value, mean, inverse = torch.native_batch_norm(x, w, b, *buffers)
    tangent = torch.ops.aten.native_batch_norm_backward(
        dx, x, w, running_mean, running_var, mean, inverse, training, eps, [True, False, False]
    )[0]
    if dw is not None:
        statistics = (None, None) if training else (running_mean, running_var)
        tangent += torch.native_batch_norm(x, dw, db, *statistics, training, 0.0, eps)[0]
    return forward_ad.make_dual(value, tangent)


def _unpack(value: Tensor | None) -> tuple[Any, Tensor | None]:
    if value is None:
        return None, None
    return tuple(forward_ad.unpack_dual(value))
