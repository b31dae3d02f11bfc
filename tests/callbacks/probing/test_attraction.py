import math

import pytest
import torch
from metaug.callbacks.probing.attraction import attraction_and_repulsion, recorded_pairs
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    InfoNCE,
    MarginRegularization,
    MemoryBank,
    MetAugObjective,
)
from metaug.lightning_modules.objectives import row_blocks
from metaug.lightning_modules.objectives.pairs import form_pairs
from torch import nn
from torch.nn.functional import normalize

COUNT, VIEWS, SIZE, GAMMA = 6, 2, 5, 4.0


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.double) + 0.4, dim=-1)


class Opposing(nn.Module):
    """Augmented features that lie away from the other view, near the next instance's."""

    num_views = VIEWS

    def __init__(self):
        super().__init__()
        self.size = nn.Parameter(torch.tensor(0.6, dtype=torch.double))

    def forward(self, features):
        return normalize(features - self.size * features.flip(1) + 0.3 * features.roll(1, 0), dim=2)


def loop(original, augmented, detach, weight=1.0):
    """OUCL over originals plus `weight` times OUCL over all: (pull, push) at the originals."""
    sets = [(1.0, [original]), (weight, [original, augmented])] if weight else [(1.0, [original])]
    pull = push = 0.0
    for factor, kinds in sets:
        features = [(k, v, f[:, v]) for k, f in enumerate(kinds) for v in range(VIEWS)]
        for i in range(COUNT):
            pairs = [
                (i == j, k, m, (1 + a[i] @ b[j]).item() / 2)
                for k, v, a in features
                for m, w, b in features
                for j in range(COUNT)
                if v != w
            ]
            positive = [p for p in pairs if p[0]]
            negative = [p for p in pairs if not p[0]]
            sum_p = sum(math.exp(-GAMMA * s) for *_, s in positive)
            sum_n = sum(math.exp(GAMMA * s) for *_, s in negative)
            share = sum_p * sum_n / (1 + sum_p * sum_n)
            for is_positive, k, m, s in positive + negative:
                softmax = (
                    math.exp(-GAMMA * s) / sum_p if is_positive else math.exp(GAMMA * s) / sum_n
                )
                ends = sum(1 for kind in (k, m) if kind == 0 or not detach)
                force = factor * 16 * share * softmax * ends / 2 / COUNT
                pull, push = (pull + force, push) if is_positive else (pull, push + force)
    return pull, push


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_forces_of_oucl_are_those_of_the_loop(detach, weight):
    features, generator = unit(COUNT, VIEWS, SIZE), Opposing()
    objective = MetAugObjective(OUCL(gamma=GAMMA), augmented_weight=weight, detach=detach)
    found = attraction_and_repulsion(objective, generator, features)
    expected = loop(features, generator(features).detach(), detach, weight)
    assert [force.item() for force in found] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("contrast", [OUCL(), OUCL(gamma=4.0), InfoNCE(0.2)])
def test_a_plain_contrast_pulls_as_much_as_it_pushes(contrast):
    attraction, repulsion = attraction_and_repulsion(
        MetAugObjective(contrast), None, unit(COUNT, VIEWS, SIZE)
    )
    assert attraction.item() > 0
    assert attraction.item() == pytest.approx(repulsion.item(), rel=1e-12)


def test_an_opposing_generator_takes_attraction_from_a_detached_objective():
    features, generator = unit(COUNT, VIEWS, SIZE), Opposing()

    def ratio(detach):
        objective = MetAugObjective(OUCL(gamma=GAMMA), detach=detach)
        attraction, repulsion = attraction_and_repulsion(objective, generator, features)
        return (attraction / repulsion).item()

    assert ratio(detach=False) == pytest.approx(1, rel=1e-12)
    assert ratio(detach=True) < 0.9


def test_one_pair_of_features_feels_the_gradient_of_each_of_its_pairs():
    # two instances along two axes: nothing cancels, so the gradient's own norms are the forces
    features = torch.eye(2, dtype=torch.double)[:, None].expand(2, VIEWS, 2).contiguous()
    attraction, repulsion = attraction_and_repulsion(MetAugObjective(), None, features)
    leaf = features.clone().requires_grad_()
    MetAugObjective()(leaf).inner.backward()
    pull, push = -leaf.grad.diagonal(dim1=0, dim2=2), leaf.grad.flip(0).diagonal(dim1=0, dim2=2)
    assert pull.sum().item() == pytest.approx(attraction.item(), rel=1e-12)
    assert push.sum().item() == pytest.approx(repulsion.item(), rel=1e-12)


@pytest.mark.parametrize("composition", ["unified", "substituted", "anchored"])
def test_blocks_add_up_to_the_whole(composition, monkeypatch):
    features = unit(COUNT, VIEWS, SIZE)
    generator = AugmentationGenerator(feature_dim=SIZE, num_views=VIEWS, hidden_dim=8).double()
    objective = MetAugObjective(composition=composition, detach=True, margin=MarginRegularization())
    whole = attraction_and_repulsion(objective, generator, features)
    monkeypatch.setattr(row_blocks, "MAX_SIMILARITIES", 2 * 16 * COUNT)
    blocks = attraction_and_repulsion(objective, generator, features)
    assert [force.item() for force in blocks] == pytest.approx([force.item() for force in whole])


def test_entries_of_a_bank_feel_nothing():
    bank = MemoryBank(num_negatives=7)
    bank.allocate(20, VIEWS, SIZE)
    bank = bank.double()
    features, index = unit(COUNT, VIEWS, SIZE), torch.arange(COUNT)
    found = attraction_and_repulsion(MetAugObjective(), None, features, bank.draw(0), index)
    assert (found.attraction / found.repulsion).item() == pytest.approx(2, rel=1e-12)


class Hardened(nn.Module):
    """A contrast of one's own that calls another twice."""

    def __init__(self):
        super().__init__()
        self.contrast = OUCL()

    def forward(self, pairs):
        return (self.contrast(pairs) + self.contrast(pairs)) / 2


class OfPairs(nn.Module):
    """An objective of one's own that gives pairs to a module."""

    def __init__(self):
        super().__init__()
        self.contrast = OUCL()

    def forward(self, features, augment):
        return self.contrast(form_pairs(features)).mean()


class OfTwoSets(OfPairs):
    """One whose other set of pairs passes no gradient on."""

    def forward(self, features, augment):
        return super().forward(features, augment) + super().forward(features.detach(), augment)


class WithoutPairs(nn.Module):
    def forward(self, features, augment):
        return features.square().mean()


def test_objectives_of_ones_own_are_split_where_they_take_pairs():
    features = unit(COUNT, VIEWS, SIZE)
    expected = attraction_and_repulsion(MetAugObjective(), None, features)
    for objective in (MetAugObjective(Hardened()), OfPairs(), OfTwoSets()):
        found = attraction_and_repulsion(objective, None, features)
        assert [f.item() for f in found] == pytest.approx([f.item() for f in expected])
    assert attraction_and_repulsion(WithoutPairs(), None, features) is None


def test_no_hook_stays():
    objective, generator = MetAugObjective(), Opposing()
    attraction_and_repulsion(objective, generator, unit(COUNT, VIEWS, SIZE))
    with pytest.raises(RuntimeError), recorded_pairs(objective):
        raise RuntimeError
    for module in (*objective.modules(), generator):
        assert not module._forward_pre_hooks
        assert not module._forward_hooks
