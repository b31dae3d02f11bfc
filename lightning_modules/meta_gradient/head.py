"""The head: everything after the cut at the features. It is small, so double backward is cheap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]


@dataclass
class Point:
    """The objective and its first derivatives at some features.

    Attributes:
        loss: The objective, a scalar without a graph.
        features: Its gradient with respect to the features, ``[G, V, D]``.
        generator: Its gradient with respect to each generator parameter, the features held.
        mixed: From a tangent ``[G, V, D]`` of the features to the mixed second derivative
            ``d<tangent, features gradient>/d generator``; it can be called once.
    """

    loss: Tensor
    features: Tensor
    generator: list[Tensor]
    mixed: Callable[[Tensor], list[Tensor]]


class Head:
    """The objective as a function of the features, differentiated in parts.

    Args:
        objective: ``objective(features) -> scalar`` closing over the generator, or several whose
            sum is the objective (blocks of instances): one graph at a time is in memory.
        generator_params: omega.
    """

    def __init__(
        self, objective: Objective | Sequence[Objective], generator_params: Sequence[Tensor]
    ) -> None:
        self.parts = [objective] if callable(objective) else list(objective)
        self.generator_params = list(generator_params)

    def at(self, features: Tensor, *, second_order: bool = False) -> Point:
        """Evaluate at features.

        Args:
            features: ``[G, V, D]``, without a graph.
            second_order: Whether ``mixed`` will be called.
        """
        keep = second_order and len(self.parts) == 1
        loss = features.new_zeros(())
        cotangent = torch.zeros_like(features)
        generator = [torch.zeros_like(param) for param in self.generator_params]
        graph: tuple[Tensor, Tensor] | None = None
        for part in self.parts:
            leaf, value, grad, grads = self._differentiate(part, features, create_graph=keep)
            loss += value.detach()
            cotangent += grad.detach()
            generator = [
                total + each.detach() for total, each in zip(generator, grads, strict=True)
            ]
            graph = (leaf, grad)

        def mixed(tangent: Tensor) -> list[Tensor]:
            if keep and graph is not None:
                return self._mix(graph[1], tangent)
            total = [torch.zeros_like(param) for param in self.generator_params]
            for part in self.parts:
                _, _, grad, _ = self._differentiate(part, features, create_graph=True)
                mix = self._mix(grad, tangent)
                total = [mine + each for mine, each in zip(total, mix, strict=True)]
            return total

        return Point(loss, cotangent, generator, mixed)

    def _differentiate(
        self, part: Objective, features: Tensor, *, create_graph: bool
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        leaf = features.detach().requires_grad_()
        with torch.enable_grad():
            value = part(leaf)
        inputs = [leaf, *self.generator_params]
        if not value.requires_grad:
            grads: Sequence[Tensor | None] = [None] * len(inputs)
        else:
            grads = torch.autograd.grad(value, inputs, create_graph=create_graph, allow_unused=True)
        filled = [
            torch.zeros_like(each) if grad is None else grad
            for grad, each in zip(grads, inputs, strict=True)
        ]
        return leaf, value, filled[0], filled[1:]

    def _mix(self, grad: Tensor, tangent: Tensor) -> list[Tensor]:
        if not grad.requires_grad or not self.generator_params:
            return [torch.zeros_like(param) for param in self.generator_params]
        mixed = torch.autograd.grad(
            grad, self.generator_params, tangent.to(grad.dtype), allow_unused=True
        )
        return [
            torch.zeros_like(param) if each is None else each.detach()
            for each, param in zip(mixed, self.generator_params, strict=True)
        ]
