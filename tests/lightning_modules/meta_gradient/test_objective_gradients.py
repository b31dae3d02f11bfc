"""Derivatives of the objective: in full precision inside autocast, and in blocks."""

import pytest
import torch
from metaug.lightning_modules import AugmentationGenerator, MarginRegularization, MetAugObjective
from metaug.lightning_modules.meta_gradient.objective_gradients import DifferentiableObjective
from metaug.lightning_modules.objectives.row_blocks import BatchObjective

from ..objectives.loops import unit_features


def derivatives(dtype, autocast: bool):
    torch.manual_seed(0)
    generator = AugmentationGenerator(16, 2, 32).to(dtype)
    objective = BatchObjective(MetAugObjective(margin=MarginRegularization()), generator, 32, 2)
    features = unit_features(32, 2, 16).to(dtype)
    tangent = unit_features(32, 2, 16, seed=1).to(dtype)
    differentiable = DifferentiableObjective(objective.inner, list(generator.parameters()))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        point = differentiable.gradients_at(features, second_order=True)
        mixed = point.mixed_derivative(tangent)
        value = differentiable.value(features)
    groups = [[point.loss], [value], [point.grad_features], point.grad_generator, mixed]
    return [torch.cat([each.detach().flatten().double() for each in group]) for group in groups]


def test_autocast_leaves_all_derivatives_in_float32():
    exact = derivatives(torch.float64, False)
    for found, expected in zip(derivatives(torch.float32, True), exact, strict=True):
        assert float((found - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("unused", [True, False])
def test_parameters_without_part_have_zeros(unused):
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    other = torch.ones(2, dtype=torch.float64, requires_grad=True)

    def objective(features):
        return (features.sum() * weight.square()).sum() if unused else torch.zeros(())

    point = DifferentiableObjective(objective, [weight, other]).gradients_at(
        torch.ones(1, 2, 3, dtype=torch.float64), second_order=True
    )
    mixed = point.mixed_derivative(torch.ones(1, 2, 3, dtype=torch.float64))
    for grads in (point.grad_generator, mixed):
        assert bool(grads[0].any()) == unused
        assert torch.equal(grads[1], torch.zeros_like(other))
