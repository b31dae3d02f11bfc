import itertools
import math

import pytest
import torch
from metaug.callbacks import (
    alignment,
    effective_rank,
    feature_std,
    two_view_infonce,
    uniformity,
)
from metaug.callbacks.probing import representation_metrics


@pytest.mark.parametrize("width", [1, 5, 32])
def test_rank_of_identity_covariance_is_the_width(width):
    orthogonal = torch.linalg.qr(torch.randn(100, width, dtype=torch.double))[0]
    assert effective_rank(10 * orthogonal).item() == pytest.approx(width, abs=1e-9)


def test_rank_of_a_constant_is_one():
    assert effective_rank(torch.randn(7).expand(50, 7)).item() == pytest.approx(1, abs=1e-6)


def test_rank_of_two_unequal_directions():
    features = torch.tensor([[3.0, 0, 0], [0, 1.0, 0]])
    expected = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert effective_rank(features).item() == pytest.approx(expected)


def test_rank_of_nothing_is_one():
    assert effective_rank(torch.zeros(5, 3)).item() == pytest.approx(1)


def test_std_is_one_when_even_and_zero_when_constant():
    even = torch.cat([torch.eye(6), -torch.eye(6)]) * torch.rand(12, 1).add(0.5)
    assert feature_std(even).item() == pytest.approx(1)
    assert feature_std(torch.ones(9, 4)).item() == pytest.approx(0, abs=1e-9)


def test_alignment_is_the_squared_distance_of_unit_features():
    first, second = torch.tensor([[2.0, 0], [0, 3]]), torch.tensor([[5.0, 0], [-1, 0]])
    assert alignment(first, second).item() == pytest.approx((0 + 2) / 2)
    assert alignment(first, second, power=1).item() == pytest.approx(math.sqrt(2) / 2)


def test_uniformity_equals_its_loop():
    features = torch.randn(2100, 3, dtype=torch.double)[:1030]
    unit = torch.nn.functional.normalize(features[:40], dim=1)
    terms = [
        math.exp(-2 * float((unit[i] - unit[j]).square().sum()))
        for i in range(40)
        for j in range(40)
        if i != j
    ]
    expected = math.log(sum(terms) / len(terms))
    assert uniformity(features[:40]).item() == pytest.approx(expected)
    whole = (-2 * torch.nn.functional.pdist(torch.nn.functional.normalize(features)).square()).exp()
    assert uniformity(features).item() == pytest.approx(whole.mean().log().item())
    assert uniformity(torch.ones(5, 3)).item() == pytest.approx(0, abs=1e-9)


def test_one_image_has_no_uniformity():
    with pytest.raises(ValueError, match="1 image"):
        uniformity(torch.ones(1, 3))


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_infonce_is_that_of_the_loop(temperature, monkeypatch):
    count, size = 7, 5
    views = torch.randn(2, count, size, dtype=torch.double)
    unit = [[row / row.norm() for row in view] for view in views]
    total = 0.0
    for v, i in itertools.product(range(2), range(count)):
        positive = math.exp(float(unit[v][i] @ unit[1 - v][i]) / temperature)
        negatives = sum(
            math.exp(float(unit[v][i] @ unit[w][j]) / temperature)
            for w, j in itertools.product(range(2), range(count))
            if i != j
        )
        total -= math.log(positive / (positive + negatives))
    expected = total / (2 * count)
    assert two_view_infonce(*views, temperature).item() == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(representation_metrics, "_ROWS", 3)  # blocks of rows, the last one short
    assert two_view_infonce(*views, temperature).item() == pytest.approx(expected, rel=1e-12)


def test_infonce_of_equal_features_is_chance():
    same = torch.ones(8, 3)
    assert two_view_infonce(same, same).item() == pytest.approx(math.log(15))
    with pytest.raises(ValueError, match="1 image"):
        two_view_infonce(same[:1], same[:1])
