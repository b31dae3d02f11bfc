"""InfoNCE against its equation written as loops, and against lightly's NT-Xent."""

import math

import pytest
import torch
from metaug.lightning_modules import InfoNCE, MetAugObjective, info_nce
from metaug.lightning_modules.objectives import form_pairs

from .loops import nt_xent, unit_features


@pytest.mark.parametrize("weight", [1.0, 0.6])
def test_equals_the_loops(weight):
    positive = torch.rand(4, 3, dtype=torch.float64)
    negative = torch.rand(4, 6, dtype=torch.float64)
    losses = []
    for row in range(4):
        others = sum(math.exp(s / 0.3) for s in negative[row])
        for s in positive[row]:
            weighed = math.exp(weight * s / 0.3)
            losses.append(-math.log(weighed / (weighed + others)))
    value = info_nce(positive, negative, temperature=0.3, attraction_weight=weight)
    assert float(value) == pytest.approx(sum(losses) / len(losses), rel=1e-12)


def test_gradient():
    positive = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    negative = torch.rand(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(info_nce, (positive, negative))


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("weight", [1.0, 0.6])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_module_without_generator_is_nt_xent(views, temperature, weight):
    features = unit_features(5, views, 6)
    terms = MetAugObjective(InfoNCE(temperature, weight))(features)
    assert float(terms.inner) == pytest.approx(nt_xent(features, temperature, weight), rel=1e-12)


def test_module_without_generator_is_lightlys_nt_xent():
    losses = pytest.importorskip("lightly.loss")
    features = unit_features(16, 2, 8).float()
    expected = losses.NTXentLoss(temperature=0.2)(features[:, 0], features[:, 1])
    value = MetAugObjective(InfoNCE(0.2))(features).inner
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)


def test_anchors_have_same_view_negatives_and_blocks_keep_them():
    features = unit_features(4, 2, 6)
    whole = InfoNCE()(form_pairs(features, same_view_negatives=True))
    parts = [
        InfoNCE()(form_pairs(features, rows=rows, same_view_negatives=True))
        for rows in (slice(0, 3), slice(3, 4))
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
    fewer = InfoNCE()(form_pairs(features))
    assert (fewer < whole).all()


@pytest.mark.parametrize("make", [lambda: InfoNCE(0.0), lambda: info_nce(*torch.rand(2, 1, 1), 0)])
def test_temperature_must_be_positive(make):
    with pytest.raises(ValueError, match=r"temperature must be greater than 0, got 0"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: InfoNCE(attraction_weight=0),
        lambda: info_nce(*torch.rand(2, 1, 1), attraction_weight=0),
    ],
)
def test_attraction_weight_must_be_positive(make):
    with pytest.raises(ValueError, match="attraction_weight must be greater than 0, got 0"):
        make()
