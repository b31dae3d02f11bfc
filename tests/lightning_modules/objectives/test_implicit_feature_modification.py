"""IFM against its equation written as loops over cosines."""

import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    ImplicitFeatureModification,
    InfoNCE,
    MetAugObjective,
    harden,
)
from metaug.lightning_modules.objectives import Negatives, form_pairs

from .loops import (
    AUGMENTED,
    ORIGINAL,
    contrast_among,
    oucl_of_instance,
    unit_features,
)


def test_cosines_are_moved_by_epsilon():
    cosine = torch.linspace(-1, 1, 5, dtype=torch.float64)
    positive, negative = harden((1 + cosine) / 2, (1 + cosine) / 2, 0.2)
    torch.testing.assert_close(2 * positive - 1, cosine - 0.2)
    torch.testing.assert_close(2 * negative - 1, cosine + 0.2)


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize(("gamma", "margin"), [(16.0, None), (8.0, 0.25)])
def test_equals_the_loops(gamma, margin, views, from_bank):
    epsilon = 0.15

    def loss(positive, negative):
        def shifted(values, by):
            return [(1 + (2 * s - 1 + by)) / 2 for s in values]

        plain = oucl_of_instance(positive, negative, gamma, margin)
        harder = shifted(positive, -epsilon), shifted(negative, epsilon)
        return (plain + oucl_of_instance(*harder, gamma, margin)) / 2

    features = unit_features(4, views, 6).requires_grad_()
    augmented = unit_features(4, views, 6, seed=1)
    entries, of_entries = unit_features(views, 5, 6, seed=2), torch.tensor([0, 9, 1, 8, 0])
    negatives, oracle = {}, {}
    if from_bank:
        index = torch.arange(4)
        negatives = {"negatives": Negatives(entries, of_entries), "index": index}
        oracle = {"bank": entries, "index": (index, of_entries)}
    contrast = ImplicitFeatureModification(OUCL(gamma, margin), epsilon)
    value = MetAugObjective(contrast, augmented_weight=0.5)(
        features, lambda _: augmented, **negatives
    ).inner
    originals = [(ORIGINAL, view) for view in range(views)]
    every = originals + [(AUGMENTED, view) for view in range(views)]
    expected = contrast_among(features, augmented, originals, loss, **oracle)
    expected = expected + 0.5 * contrast_among(features, augmented, every, loss, **oracle)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    grads = [torch.autograd.grad(each, features)[0] for each in (value, expected)]
    torch.testing.assert_close(*grads, rtol=1e-9, atol=1e-14)


def test_plain_oucl_is_shifted_by_a_constant():
    """Of logits gamma (s_n - s_p), by gamma * epsilon."""
    pairs = form_pairs(unit_features(4, 2, 6))
    plain = OUCL()(pairs).double()
    shifted = 2 * ImplicitFeatureModification(epsilon=0.1)(pairs) - plain
    torch.testing.assert_close(shifted.expm1(), plain.expm1() * torch.tensor(1.6).double().exp())


def test_infonce_keeps_its_negatives_of_the_same_view():
    features = unit_features(4, 2, 6)
    same = MetAugObjective(ImplicitFeatureModification(InfoNCE(), 0.0))(features).inner
    torch.testing.assert_close(same, MetAugObjective(InfoNCE())(features).inner)
    assert not ImplicitFeatureModification().same_view_negatives


def test_epsilon_out_of_range():
    for function in (lambda e: ImplicitFeatureModification(epsilon=e), lambda e: harden(0, 0, e)):
        with pytest.raises(ValueError, match=r"epsilon must be at least 0, got -0\.1"):
            function(-0.1)
