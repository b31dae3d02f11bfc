"""Margin-injected regularization against its equation written as loops."""

import pytest
import torch
from metaug.lightning_modules import MarginRegularization, margin_regularization
from metaug.lightning_modules.objectives import form_pairs

from .loops import regularization, regularization_of_instance, unit_features

KINDS = ["large", "small", "mean"]


def similarities(requires_grad: bool = True) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = [(4, 2), (4, 6), (4, 6), (4, 18)]
    return [
        torch.rand(*shape, dtype=torch.float64, generator=generator).requires_grad_(requires_grad)
        for shape in shapes
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_loops_with_their_gradient(kind):
    parts = similarities()
    value = margin_regularization(*parts, kind=kind, positive_weight=0.7, negative_weight=1.3)
    rows = zip(*parts, strict=True)
    expected = sum(regularization_of_instance(*row, kind, 0.7, 1.3) for row in rows) / 4
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    assert value > 0
    grads, expected_grads = torch.autograd.grad(value, parts), torch.autograd.grad(expected, parts)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    assert torch.autograd.gradcheck(
        lambda *parts: margin_regularization(*parts, kind), similarities()
    )


def test_by_hand():
    """sigma+ = 0.6, sigma- = 0.3, one augmented pair of each kind."""
    original = torch.tensor([[0.6, 0.9]]), torch.tensor([[0.3, 0.1]])
    augmented = torch.tensor([[0.8]]), torch.tensor([[0.2]])
    expected = {"large": 0.5 + 0.4, "small": 0.2 + 0.1, "mean": 0.35 + 0.25}
    for kind, value in expected.items():
        found = margin_regularization(*original, *augmented, kind=kind)
        assert float(found) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_module_equals_the_loops_over_pairs(views, kind):
    features, augmented = unit_features(4, views, 6), unit_features(4, views, 6, seed=1)
    module = MarginRegularization(kind, positive_weight=0.7, negative_weight=1.3)
    values = module(form_pairs(features, augmented))
    assert values.shape == (4,)
    expected = regularization(features, augmented, kind, 0.7, 1.3)
    torch.testing.assert_close(values.mean(), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MarginRegularization(kind="huge"), "kind 'huge' is unknown; use one of large"),
        (lambda: MarginRegularization(acts_on="all"), "acts_on 'all' is unknown; use one of both"),
        (lambda: margin_regularization(*similarities(), kind="x"), "kind 'x' is unknown"),
        (lambda: margin_regularization(*similarities()[:3], torch.rand(4)), "augmented_negative"),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError, match=words):
        make()
