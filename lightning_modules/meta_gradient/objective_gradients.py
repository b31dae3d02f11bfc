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

    def gradients_at(self, features: Tensor, *, second_order: bool = False) -> ObjectiveGradients:
        """Evaluate and differentiate at features.

        Args:
            features: `[G, V, D]`, without a graph.
            second_order: Whether `mixed_derivative` will be called.
        """
        # one block keeps its graph for the mixed derivative; of several each is built again
        keep_graph = second_order and len(self.blocks) == 1
        loss = features.new_zeros(())
        total = [torch.zeros_like(each) for each in (features, *self.generator_params)]
        graph: Tensor | None = None
        for block in self.blocks:
            value, grads = self._differentiate(block, features, create_graph=keep_graph)
            loss += value.detach()
            total = [one + other.detach() for one, other in zip(total, grads, strict=True)]
            graph = grads[0]

        def mixed_derivative(tangent: Tensor) -> list[Tensor]:
            if keep_graph and graph is not None:
                return self._mix(graph, tangent)
            mixed = [torch.zeros_like(param) for param in self.generator_params]
            for block in self.blocks:
                _, grads = self._differentiate(block, features, create_graph=True)
                part = self._mix(grads[0], tangent)
                mixed = [one + other for one, other in zip(mixed, part, strict=True)]
            return mixed

        return ObjectiveGradients(loss, total[0], total[1:], mixed_derivative)

    def _differentiate(
        self, block: Objective, features: Tensor, *, create_graph: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """The value of a block, and its gradients with respect to features and generator."""
        leaf = features.detach().requires_grad_()
        with torch.enable_grad(), torch.autocast(features.device.type, enabled=False):
            value = block(leaf)
            return value, gradients(
                value, [leaf, *self.generator_params], create_graph=create_graph
            )

    def _mix(self, grad_features: Tensor, tangent: Tensor) -> list[Tensor]:
        with torch.autocast(grad_features.device.type, enabled=False):
            mixed = gradients(grad_features, self.generator_params, tangent.to(grad_features.dtype))
        return [each.detach() for each in mixed]


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
