"""The look-ahead step of the encoder: along its gradient, or a direction made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .encoder_passes import subtract_scaled

Precondition = Callable[[list[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class InnerStep:
    """`theta - alpha P g`, with a constant linear map P of gradients.

    Args:
        rate: alpha.
        precondition: P, from tensors like the parameters to tensors like them; None for the
            identity.
    """

    rate: float
    precondition: Precondition | None = None

    def ahead(self, params: Sequence[Tensor], gradient: list[Tensor]) -> list[Tensor]:
        """The look-ahead parameters, without a graph."""
        with torch.no_grad():
            return subtract_scaled(params, self.direction(gradient), self.rate)

    def direction(self, gradient: list[Tensor]) -> list[Tensor]:
        """`P g`.

        Raises:
            ValueError: If P gives tensors of other shapes.
        """
        if self.precondition is None:
            return gradient
        direction = list(self.precondition(list(gradient)))
        shapes = [[tuple(each.shape) for each in tensors] for tensors in (gradient, direction)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"precondition must give a tensor for each of the encoder's parameters, of its "
                f"shape: {shapes[0]}, got {shapes[1]}"
            )
        return direction

    def transposed(self, vector: list[Tensor]) -> list[Tensor]:
        """`P^T v`, by differentiating `v . P g` with respect to g.

        Raises:
            ValueError: If P cannot be differentiated.
        """
        if self.precondition is None:
            return vector
        with torch.enable_grad():
            leaves = [torch.zeros_like(each, requires_grad=True) for each in vector]
            direction = self.direction(leaves)
            parts = [
                (output, along)
                for output, along in zip(direction, vector, strict=True)
                if output.requires_grad  # parameters that take no step have constant zeros
            ]
            if not parts:
                raise ValueError(
                    "precondition gives tensors without a graph; let it be of operations that "
                    "torch differentiates, without no_grad or detach"
                )
            outputs, along = zip(*parts, strict=True)
            return list(torch.autograd.grad(outputs, leaves, along, materialize_grads=True))
