"""The objective after the cut at the features. It is small, so double backward is cheap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]


@dataclass
class ObjectiveGradients:
    """The objective and its first derivatives at some features.

    Attributes:
        loss: The objective, a scalar without a graph.
        grad_features: Its gradient with respect to the features, `[G, V, D]`.
        grad_generator: Its gradient with respect to each generator parameter, the features held.
        mixed_derivative: From a tangent `[G, V, D]` of the features to the mixed second
            derivative `d<tangent, grad_features>/d generator`; it can be called once.
    """

    loss: Tensor
    grad_features: Tensor
    grad_generator: list[Tensor]
    mixed_derivative: Callable[[Tensor], list[Tensor]]


class DifferentiableObjective:
    """The objective as a function of the features, differentiated in parts.

    All derivatives are computed in the precision of the features, also inside of autocast.

    Args:
        objective: `objective(features) -> scalar` closing over the generator, or several whose
            sum is the objective (blocks of instances): one graph at a time is in memory.
        generator_params: omega.
    """

    def __init__(
        self, objective: Objective | Sequence[Objective], generator_params: Sequence[Tensor]
    ) -> None:
        self.blocks = [objective] if callable(objective) else list(objective)
        self.generator_params = list(generator_params)

    def value(self, features: Tensor) -> Tensor:
        """The objective at features `[G, V, D]`, a scalar with its graph."""
        with torch.autocast(features.device.type, enabled=False):
            return torch.stack([block(features) for block in self.blocks]).sum()

    def gradients_at(
        self, features: Tensor, *, of_generator: bool = True, second_order: bool = False
    ) -> ObjectiveGradients:
        """Evaluate and differentiate at features.

        Args:
            features: `[G, V, D]`, without a graph.
            of_generator: Whether `grad_generator` is wanted; empty otherwise.
            second_order: Whether `mixed_derivative` will be called.
        """
        # one block keeps its graph for the mixed derivative; of several each is built again
        keep_graph = second_order and len(self.blocks) == 1
        params = self.generator_params if of_generator else []
        total: list[Tensor] = []
        for block in self.blocks:
            leaf = features.detach().requires_grad_()
            value, grads = self._differentiate(block, leaf, [leaf, *params], keep_graph)
            total = _sum(total, [value, *grads])
        graph = grads[0]

        def mixed_derivative(tangent: Tensor) -> list[Tensor]:
            if keep_graph:
                return self._mix(graph, tangent)
            mixed: list[Tensor] = []
            for block in self.blocks:
                leaf = features.detach().requires_grad_()
                _, grads = self._differentiate(block, leaf, [leaf], True)
                mixed = _sum(mixed, self._mix(grads[0], tangent))
            return mixed

        return ObjectiveGradients(total[0], total[1], total[2:], mixed_derivative)

    def generator_gradient(self, features: Tensor) -> list[Tensor]:
        """The gradient with respect to each generator parameter alone, at features `[G, V, D]`."""
        total: list[Tensor] = []
        for block in self.blocks:
            total = _sum(total, self._differentiate(block, features, self.generator_params)[1])
        return total

    def _differentiate(
        self,
        block: Objective,
        features: Tensor,
        inputs: Sequence[Tensor],
        create_graph: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """The value of a block, and its gradients with respect to `inputs`."""
        with torch.enable_grad(), torch.autocast(features.device.type, enabled=False):
            value = block(features)
            return value, gradients(value, inputs, create_graph=create_graph)

    def _mix(self, grad_features: Tensor, tangent: Tensor) -> list[Tensor]:
        with torch.autocast(grad_features.device.type, enabled=False):
            mixed = gradients(grad_features, self.generator_params, tangent.to(grad_features.dtype))
        return [each.detach() for each in mixed]


def _sum(total: list[Tensor], part: Sequence[Tensor]) -> list[Tensor]:
    """The sums of two lists of tensors, without a graph; an empty list counts as zeros."""
    part = [each.detach() for each in part]
    return list(torch._foreach_add(total, part)) if total else part


def gradients(
    output: Tensor,
    inputs: Sequence[Tensor],
    cotangent: Tensor | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> list[Tensor]:
    """`torch.autograd.grad`, with zeros where an output depends on no or not on all inputs.

    Args:
        output: What is differentiated.
        inputs: With respect to what.
        cotangent: Shaped like `output`; None for a scalar.
        create_graph: Whether the gradients will be differentiated.
        retain_graph: Whether the graph is needed again.
    """
    if not output.requires_grad or not inputs:
        return [torch.zeros_like(each) for each in inputs]
    return list(
        torch.autograd.grad(
            output,
            inputs,
            cotangent,
            create_graph=create_graph,
            retain_graph=retain_graph,
            materialize_grads=True,
        )
    )
