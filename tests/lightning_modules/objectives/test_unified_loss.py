"""The written derivatives of the unified loss against finite differences and torch's own."""

import pytest
import torch
from metaug.lightning_modules.objectives.unified_loss import unified_loss
from torch.nn import functional


def plain(positive, negative, gamma, slope, weight=1.0):
    total = (slope * negative).logsumexp((0, 2)) + weight * (-slope * positive).logsumexp(0)
    return 16 / gamma * functional.softplus(total, threshold=40)


def logits(*, masked: bool):
    torch.manual_seed(0)
    positive = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    negative = torch.rand(2, 4, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(4, 5, dtype=torch.float64)
    if masked:
        bias.diagonal().fill_(-torch.inf)
    return positive, negative, bias


@pytest.mark.parametrize("weight", [1.0, 0.6])
@pytest.mark.parametrize("slope", [1.0, 8.0])
def test_first_and_second_derivatives(slope, weight):
    positive, negative, bias = logits(masked=True)

    def loss(positive, negative):
        return unified_loss(positive, negative + bias, 8.0, slope, weight)

    expected = plain(positive, negative + bias, 8, slope, weight)
    torch.testing.assert_close(loss(positive, negative), expected)
    assert torch.autograd.gradcheck(loss, (positive, negative))
    assert torch.autograd.gradgradcheck(loss, (positive, negative))


@pytest.mark.parametrize("weight", [1.0, 1.7])
@pytest.mark.parametrize("masked", [True, False])
def test_second_derivatives_are_those_of_torch(masked, weight):
    positive, negative, bias = logits(masked=masked)
    found = []
    for function in (unified_loss, plain):
        weights = torch.arange(1.0, 5.0, dtype=torch.float64, requires_grad=True)
        value = (weights * function(positive, negative + bias, 8.0, 8.0, weight)).sum()
        grads = torch.autograd.grad(value, (positive, negative), create_graph=True)
        directions = [torch.linspace(-1, 2, each.numel()).view_as(each).double() for each in grads]
        both = torch.autograd.grad(grads, (positive, negative, weights), directions)
        found.append([value, *grads, *both])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
