"""What a meta-gradient engine returns."""

from typing import NamedTuple

import torch
from torch import Tensor


class MetaGradient(NamedTuple):
    """Gradients of one meta step, without a graph.

    Attributes:
        encoder: g = dL/d theta at theta, like the encoder's parameters.
        generator: dJ/d omega, like the generator's parameters.
        loss: L(theta, omega), a scalar.
        plain_generator: The plain gradient of omega at theta, which a joint (not meta) step takes;
            empty where it was not wanted.
        features: Z = f_theta(x) of the global batch, `[G, V, D]`.
    """

    encoder: list[Tensor]
    generator: list[Tensor]
    loss: Tensor
    plain_generator: list[Tensor]
    features: Tensor

    @property
    def gap(self) -> Tensor:
        """Relative distance between the meta-gradient and the plain gradient of the generator."""
        return relative_distance(self.generator, self.plain_generator)

    def for_ascent(self) -> "MetaGradient":
        """For a generator that maximizes: its gradients with the opposite sign."""
        return self._replace(
            generator=_negative(self.generator), plain_generator=_negative(self.plain_generator)
        )


def _negative(tensors: list[Tensor]) -> list[Tensor]:
    return list(torch._foreach_neg(tensors)) if tensors else []


def relative_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """`|first - second| / |second|` over lists of tensors taken as one vector.

    Args:
        first: Tensors.
        second: Tensors of the same shapes.

    Returns:
        A scalar; 0 where both are 0.
    """
    if not second:
        return torch.zeros(())
    distance = _norm([a - b for a, b in zip(first, second, strict=True)])
    return distance / _norm(second).clamp_min(torch.finfo(distance.dtype).tiny)


def _norm(tensors: list[Tensor]) -> Tensor:
    return torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]).norm()
