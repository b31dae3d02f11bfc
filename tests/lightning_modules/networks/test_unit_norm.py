"""The written derivatives of the unit norm against finite differences and torch's own."""

import torch
from metaug.lightning_modules.networks.unit_norm import unit_norm
from torch.autograd import forward_ad
from torch.nn import functional


def features():
    torch.manual_seed(0)
    return torch.randn(4, 2, 5, dtype=torch.float64, requires_grad=True)


def test_first_and_second_derivatives():
    x = features()
    assert torch.equal(unit_norm(x), functional.normalize(x, dim=-1))
    assert torch.autograd.gradcheck(unit_norm, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(unit_norm, x)


def test_forward_mode():
    x, direction = features().detach(), torch.randn(4, 2, 5, dtype=torch.float64)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, direction)
        found = forward_ad.unpack_dual(unit_norm(dual)).tangent
        expected = forward_ad.unpack_dual(functional.normalize(dual, dim=-1)).tangent
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_feature_of_zeros_has_the_gradient_that_torch_gives():
    x = torch.zeros(1, 3, requires_grad=True)
    grads = []
    for function in (unit_norm, lambda each: functional.normalize(each, dim=-1)):
        (grad,) = torch.autograd.grad(function(x)[0, 1], x)
        grads.append(grad)
    assert torch.equal(*grads)


def test_low_precision_is_raised():
    assert unit_norm(torch.ones(1, 3, dtype=torch.bfloat16)).dtype == torch.float32
