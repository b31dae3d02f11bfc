"""MoCHi's mixes and FT's interpolated negatives against loops over their equations."""

import zlib

import numpy as np
import pytest
import torch
from metaug.lightning_modules import (
    OUCL,
    HardNegativeMixing,
    InfoNCE,
    MarginRegularization,
    MetAugObjective,
    NegativeInterpolation,
)
from metaug.lightning_modules.objectives import Negatives

from .loops import (
    AUGMENTED,
    ORIGINAL,
    oucl_of_instance,
    pairs_of_instance,
    similarity,
    unit_features,
)

STEP = 4


def mochi(anchor, others, own, *, hardest=3, mixed=4, mixed_with_anchor=2, **_):
    """The similarities of one anchor's negatives in one view, the mixes among them."""
    uniform = np.random.default_rng([7, STEP, zlib.crc32(b"hard negative mixing")]).random(
        3 * mixed + 2 * mixed_with_anchor, dtype=np.float32
    )
    valid = [other for other, is_own in zip(others, own, strict=True) if not is_own]
    ordered = sorted(valid, key=lambda other: -float((other @ anchor).detach()))[:hardest]
    number = iter(uniform)
    first, second, third = (
        [ordered[int(next(number) * np.float32(len(ordered)))] for _ in range(count)]
        for count in (mixed, mixed, mixed_with_anchor)
    )
    mixes = []
    for n_i, n_j in zip(first, second, strict=True):
        a = float(next(number))
        mixes.append(a * n_i + (1 - a) * n_j)
    for n_j in third:
        b = float(next(number)) / 2
        mixes.append(b * anchor + (1 - b) * n_j)
    mixes = [(mix / mix.norm()).detach() for mix in mixes]
    return [similarity(anchor, other) for other in [*valid, *mixes]]


def interpolation(anchor, others, own, *, concentration=1.6, **_):
    """The similarities of one anchor to the mixes of negatives of one view."""
    random = np.random.default_rng([7, STEP, zlib.crc32(b"negative interpolation")])
    order = random.permutation(len(others)) if len(others) > 2 else np.arange(len(others))
    found = []
    for m, weight in enumerate(random.beta(concentration, concentration, len(others))):
        if not own[m] and not own[order[m]]:
            mix = weight * others[m] + (1 - weight) * others[order[m]]
            found.append(similarity(anchor, mix / mix.norm()))
    return found


def looped(features, augmented, members, loss, negatives_of, bank, index):
    """Mean over instances of a loss over positives and `negatives_of` each anchor and view."""
    values = {ORIGINAL: features, AUGMENTED: augmented}
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(features)):
        positive, _ = pairs_of_instance(i, features, augmented, members)
        negative = []
        for kind, view in members:
            if bank is None:
                others = [(values[other][:, v], v) for other, v in members]
                own = [j == i for j in range(len(features))]
            else:
                others = [(bank[v], v) for v in range(features.shape[1])]
                own = [bool(index[1][m] == index[0][i]) for m in range(bank.shape[1])]
            for vectors, other_view in others:
                if other_view != view:
                    negative += negatives_of(values[kind][i, view], list(vectors), own)
        total = total + loss([s for _, s in positive], negative)
    return total / len(features)


KINDS = {
    "mochi": (HardNegativeMixing(3, 4, 2, seed=7), mochi),
    "mochi of all": (
        HardNegativeMixing(64, 3, 0, seed=7),
        lambda *given: mochi(*given, hardest=64, mixed=3, mixed_with_anchor=0),
    ),
    "interpolation": (NegativeInterpolation(seed=7), interpolation),
}


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("margin", [None, 0.25])
def test_equals_the_loops(kind, views, from_bank, margin):
    component, negatives_of = KINDS[kind]
    component.draws.set_step(STEP)
    features = unit_features(5, views, 6).requires_grad_()
    augmented = unit_features(5, views, 6, seed=1).requires_grad_()
    bank = index = None
    negatives = {}
    if from_bank:  # two draws are of instance 1, as many as leave it fewer than `hardest`
        bank, of_bank = unit_features(views, 4, 6, seed=2), torch.tensor([1, 9, 1, 8])
        index = torch.arange(5), of_bank
        negatives = {"negatives": Negatives(bank, of_bank), "index": index[0]}
    objective = MetAugObjective(
        OUCL(8.0, margin), augmented_weight=0.5, synthetic_negatives=component
    )

    def loss(positive, negative):
        return oucl_of_instance(positive, negative, 8.0, margin)

    value = objective(features, lambda _: augmented, **negatives).inner
    originals = [(ORIGINAL, view) for view in range(views)]
    every = originals + [(AUGMENTED, view) for view in range(views)]
    given = (loss, negatives_of, bank, index)
    expected = looped(features, augmented, originals, *given)
    expected = expected + 0.5 * looped(features, augmented, every, *given)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    grads, expected_grads = (
        torch.autograd.grad(each, [features, augmented]) for each in (value, expected)
    )
    torch.testing.assert_close(grads, expected_grads, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("contrast", [OUCL(), InfoNCE()])
def test_margins_keep_to_the_original_negatives(kind, contrast):
    features, augmented = unit_features(5, 2, 6), unit_features(5, 2, 6, seed=1)
    regularization = MarginRegularization()
    plain = MetAugObjective(contrast, margin=regularization)(features, lambda _: augmented)
    objective = MetAugObjective(contrast, margin=regularization, synthetic_negatives=KINDS[kind][0])
    terms = objective(features, lambda _: augmented)
    assert terms.margin == plain.margin
    assert terms.contrast != plain.contrast


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_two_is_finite(kind):
    features = unit_features(2, 2, 6).requires_grad_()
    for step in range(4):
        KINDS[kind][0].draws.set_step(step)
        value = MetAugObjective(synthetic_negatives=KINDS[kind][0])(features).inner
        assert torch.isfinite(torch.autograd.grad(value, features)[0]).all()
        assert value > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HardNegativeMixing(hardest=0), "hardest must be at least 1, got 0"),
        (lambda: HardNegativeMixing(mixed=-1), "mixed must be at least 0, got -1"),
        (lambda: HardNegativeMixing(mixed_with_anchor=-1), "mixed_with_anchor must be .*got -1"),
        (lambda: HardNegativeMixing(seed=-1), "seed must be .*got -1"),
        (lambda: NegativeInterpolation(0.0), "concentration must be greater than 0, got 0"),
    ],
)
def test_numbers_out_of_range(make, words):
    with pytest.raises(ValueError, match=words):
        make()
