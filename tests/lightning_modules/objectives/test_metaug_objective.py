"""The composed objective against loops over the definition of pairs, whole and in blocks."""

import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    MarginRegularization,
    MetAugObjective,
)
from metaug.lightning_modules.objectives import Negatives, Terms, form_pairs

from .loops import (
    ORIGINAL,
    composed,
    contrast_among,
    oucl_of_instance,
    regularization,
    unit_features,
)

INDEX = torch.tensor([3, 0, 7, 5])
DRAWS = torch.tensor([7, 1, 3, 2, 7])


def bank(views: int) -> Negatives:
    return Negatives(unit_features(views, len(DRAWS), 6, seed=2), DRAWS)


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("composition", ["unified", "substituted"])
@pytest.mark.parametrize("views", [2, 3])
def test_equals_the_loops(views, composition, from_bank):
    features, augmented = unit_features(4, views, 6), unit_features(4, views, 6, seed=1)
    objective = MetAugObjective(
        OUCL(margin=0.25), composition, augmented_weight=0.3, margin=MarginRegularization(weight=2)
    )
    draws = bank(views) if from_bank else None
    terms = objective(features, lambda _: augmented, negatives=draws, index=INDEX)
    looped = (draws.features, (INDEX, DRAWS)) if draws is not None else (None, None)

    def loss(positive, negative):
        return oucl_of_instance(positive, negative, 16.0, 0.25)

    contrast = composed(features, augmented, composition, 0.3, loss, *looped)
    margin = regularization(features, augmented, "large", 1.0, 1.0, *looped)
    torch.testing.assert_close(terms.contrast, contrast, rtol=1e-12, atol=0)
    torch.testing.assert_close(terms.margin, margin, rtol=1e-12, atol=0)
    torch.testing.assert_close(terms.inner, contrast + 2 * margin, rtol=1e-12, atol=0)


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
def test_without_generator_only_originals_count(from_bank):
    features = unit_features(4, 2, 6)
    draws = bank(2) if from_bank else None
    looped = (draws.features, (INDEX, DRAWS)) if draws is not None else (None, None)
    terms = MetAugObjective(margin=MarginRegularization())(features, negatives=draws, index=INDEX)
    members = [(ORIGINAL, 0), (ORIGINAL, 1)]
    expected = contrast_among(features, None, members, oucl_of_instance, *looped)
    torch.testing.assert_close(terms.inner, expected, rtol=1e-12, atol=0)
    assert terms.margin == 0


@pytest.mark.parametrize("acts_on", ["both", "generator", "none"])
def test_whom_the_margin_acts_on(acts_on):
    features, augmented = unit_features(4, 2, 6), unit_features(4, 2, 6, seed=1)
    objective = MetAugObjective(margin=MarginRegularization(weight=0.5, acts_on=acts_on))
    terms = objective(features, lambda _: augmented)
    assert terms.margin > 0
    with_margin = terms.contrast + 0.5 * terms.margin
    assert terms.inner == (with_margin if acts_on == "both" else terms.contrast)
    assert terms.outer == (terms.contrast if acts_on == "none" else with_margin)
    assert objective.differs == (acts_on == "generator")


def test_anchored_leaves_out_pairs_of_two_augmented_features():
    features, augmented = unit_features(3, 2, 6), unit_features(3, 2, 6, seed=1)
    terms = MetAugObjective(composition="anchored", augmented_weight=0.3)(
        features, lambda _: augmented
    )
    every = [(kind, view) for kind in (features, augmented) for view in (0, 1)]
    pairs = [
        (one[0][:, one[1]], two[0][:, two[1]])
        for one in every
        for two in every
        if one[1] != two[1] and (one[0] is features or two[0] is features)
    ]
    losses = []
    for i in range(3):
        similar = [(1 + u[i] @ w[i]) / 2 for u, w in pairs]
        other = [(1 + u[i] @ w[j]) / 2 for u, w in pairs for j in range(3) if j != i]
        losses.append(oucl_of_instance(torch.stack(similar), torch.stack(other)))
    original = MetAugObjective()(features).contrast
    expected = original + 0.3 * torch.stack(losses).mean()
    torch.testing.assert_close(terms.contrast, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("acts_on", ["both", "generator", "none"])
def test_an_adversary_minimises_the_margin_all_the_same(acts_on):
    features, augmented = unit_features(4, 2, 6), unit_features(4, 2, 6, seed=1)
    margin = MarginRegularization(weight=0.5, acts_on=acts_on)
    terms = MetAugObjective(margin=margin, adversarial=True)(features, lambda _: augmented)
    usual = MetAugObjective(margin=margin)(features, lambda _: augmented)
    assert terms.inner == usual.inner
    # it climbs up contrast - R, so it goes down R
    expected = terms.contrast if acts_on == "none" else terms.contrast - 0.5 * terms.margin
    assert terms.outer == expected
    differs = MetAugObjective(margin=margin, adversarial=True).differs
    assert differs == (acts_on != "none")
    assert not MetAugObjective(adversarial=True).differs


def test_detached_features_are_given_to_the_encoder():
    generator = AugmentationGenerator(6, 2, 8).double()
    features = unit_features(4, 2, 6).requires_grad_()
    objective = MetAugObjective(detach=True, margin=MarginRegularization())
    terms = objective(features, generator)
    found = torch.autograd.grad(terms.inner, [features, *generator.parameters()])
    fixed = generator(features).detach()
    given = objective(features, lambda _: fixed)
    torch.testing.assert_close(found[0], torch.autograd.grad(given.inner, features)[0])
    whole = objective(features, generator, through=True)
    expected = torch.autograd.grad(whole.inner, [features, *generator.parameters()])
    torch.testing.assert_close(found[1:], expected[1:])
    assert not torch.allclose(found[0], expected[0])
    assert objective.differs


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("composition", ["unified", "substituted"])
def test_blocks_of_rows_add_up(composition, from_bank):
    features = unit_features(4, 2, 6)
    generator = AugmentationGenerator(6, 2, 8).double()
    objective = MetAugObjective(composition=composition, margin=MarginRegularization())
    shared = {"negatives": bank(2) if from_bank else None, "index": INDEX}
    whole = objective(features, generator, **shared)
    blocks = [slice(0, 1), slice(1, 3), slice(3, 4)]
    parts = [objective(features, generator, rows=rows, **shared) for rows in blocks]
    total = Terms(*(sum(terms) for terms in zip(*parts, strict=True)))
    torch.testing.assert_close(total, whole, rtol=1e-12, atol=0)


def test_gradient_of_the_whole():
    generator = AugmentationGenerator(5, 2, 7).double()
    objective = MetAugObjective(margin=MarginRegularization())
    features = unit_features(3, 2, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: objective(z, generator).inner, [features])


def test_original_pairs_come_first_and_are_ordered():
    pairs = form_pairs(unit_features(3, 2, 4), unit_features(3, 2, 4, seed=1))
    named = [tuple(pair) for pair in pairs.positive_pairs.tolist()]
    assert named[:2] == [(0, 1), (1, 0)]
    assert len(named) == len(set(named)) == 8
    assert all(anchor % 2 != other % 2 for anchor, other in named)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 2, 4), "a batch of 1 instance has no negatives; use a batch of 2"), ((4, 1, 4), "got 1")],
)
def test_what_has_no_pairs(shape, words):
    with pytest.raises(ValueError, match=words):
        MetAugObjective()(unit_features(*shape))


def test_other_errors():
    with pytest.raises(ValueError, match="composition 'x' is unknown; use one of unified"):
        MetAugObjective(composition="x")
    with pytest.raises(ValueError, match="need the dataset index"):
        MetAugObjective()(unit_features(4, 2, 6), negatives=bank(2))
