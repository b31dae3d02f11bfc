"""OUCL against its equation written as loops."""

import pytest
import torch
from metaug.lightning_modules import OUCL, oucl
from metaug.lightning_modules.objectives import form_pairs

from .loops import (
    ORIGINAL,
    contrast_among,
    oucl_of_instance,
    unit_features,
    weighed_oucl_of_instance,
)

SETTINGS = [(16.0, None), (4.0, None), (16.0, 0.25), (64.0, 0.4), (16.0, 0.0)]


def similarities(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positive = torch.rand(5, 3, dtype=torch.float64, generator=generator)
    negative = torch.rand(5, 7, dtype=torch.float64, generator=generator)
    return positive.requires_grad_(), negative.requires_grad_()


def looped(positive, negative, gamma, margin):
    rows = zip(positive, negative, strict=True)
    return sum(oucl_of_instance(p, n, gamma, margin) for p, n in rows) / len(positive)


@pytest.mark.parametrize(("gamma", "margin"), SETTINGS)
def test_value_and_gradient_equal_the_loops(gamma, margin):
    positive, negative = similarities()
    value = oucl(positive, negative, gamma, margin)
    expected = looped(positive, negative, gamma, margin)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    # the loops take alpha as a number: equal gradients mean that none flows through alpha
    grads = torch.autograd.grad(value, [positive, negative])
    expected_grads = torch.autograd.grad(expected, [positive, negative])
    torch.testing.assert_close(grads, expected_grads, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("weight", [0.3, 0.6, 1.0, 2.5])
@pytest.mark.parametrize(("gamma", "margin"), SETTINGS)
def test_attraction_is_weighed_as_in_the_loops(gamma, margin, weight):
    positive, negative = similarities()
    value = oucl(positive, negative, gamma, margin, weight)
    rows = zip(positive, negative, strict=True)
    expected = sum(weighed_oucl_of_instance(p, n, gamma, margin, weight) for p, n in rows) / 5
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    grads = torch.autograd.grad(value, [positive, negative])
    expected_grads = torch.autograd.grad(expected, [positive, negative])
    torch.testing.assert_close(grads, expected_grads, rtol=1e-9, atol=1e-14)
    if margin is None:  # attraction is `weight` times the repulsion
        torch.testing.assert_close(-grads[0].sum(1), weight * grads[1].sum(1))

    features = unit_features(4, 3, 6)
    members = [(ORIGINAL, view) for view in range(3)]
    expected = contrast_among(
        features, None, members, lambda p, n: weighed_oucl_of_instance(p, n, gamma, margin, weight)
    )
    losses = OUCL(gamma, margin, attraction_weight=weight)(form_pairs(features))
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-12, atol=0)


def test_gradient_of_the_plain_form():
    assert torch.autograd.gradcheck(oucl, similarities())
    assert torch.autograd.gradgradcheck(oucl, similarities())


def test_paper_setting_is_the_sum_over_exponentials():
    """gamma = 16 without margin: log(1 + sum exp(16 s_n) * sum exp(-16 s_p)), by hand."""
    value = oucl(torch.tensor([[0.75, 0.5]]), torch.tensor([[0.25]]))
    expected = torch.log(1 + torch.exp(torch.tensor(-8.0)) + torch.exp(torch.tensor(-4.0)))
    torch.testing.assert_close(value, expected)


def test_is_finite_at_the_ends_in_float32():
    worst = oucl(torch.zeros(2, 3), torch.ones(2, 500), gamma=256.0)
    assert torch.isfinite(worst)
    assert worst > 15


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize(("gamma", "margin"), SETTINGS[:3])
def test_module_equals_the_loops_over_pairs(views, gamma, margin):
    features = unit_features(4, views, 6)
    members = [(ORIGINAL, view) for view in range(views)]
    expected = contrast_among(
        features, None, members, lambda p, n: oucl_of_instance(p, n, gamma, margin)
    )
    losses = OUCL(gamma, margin)(form_pairs(features))
    assert losses.shape == (4,)
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.rand(3), torch.rand(3, 2)), r"positive must be .* \(3,\)"),
        ((torch.rand(3, 2), torch.rand(4, 2)), r"negative must be .* \(4, 2\)"),
        ((torch.rand(3, 0), torch.rand(3, 2)), r"positive must be .* \(3, 0\)"),
        ((torch.rand(3, 2), torch.rand(3, 2), 0.0), "gamma must be greater than 0, got 0.0"),
    ],
)
def test_errors_name_value_and_cure(arguments, words):
    with pytest.raises(ValueError, match=words):
        oucl(*arguments)


@pytest.mark.parametrize("weight", [0, -0.6, float("inf")])
def test_attraction_weight_must_be_positive(weight):
    with pytest.raises(ValueError, match="attraction_weight must be greater than 0"):
        OUCL(attraction_weight=weight)
    with pytest.raises(ValueError, match="attraction_weight must be greater than 0"):
        oucl(torch.ones(1, 1), torch.ones(1, 1), attraction_weight=weight)


def test_module_refuses_a_wrong_gamma():
    with pytest.raises(ValueError, match="gamma must be greater than 0, got -1"):
        OUCL(gamma=-1)
