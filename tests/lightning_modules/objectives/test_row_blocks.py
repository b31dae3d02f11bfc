"""The objective in blocks equals the whole, and the generator's statistics move once."""

import pytest
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    InfoNCE,
    MarginRegularization,
    MemoryBank,
    MetAugObjective,
)
from metaug.lightning_modules.objectives import row_blocks
from metaug.lightning_modules.objectives.row_blocks import BatchObjective

from .loops import unit_features

COUNT, VIEWS, SIZE = 7, 2, 6
FEATURES = unit_features(COUNT, VIEWS, SIZE)


def draws():
    bank = MemoryBank(5)
    bank.allocate(20, VIEWS, SIZE)
    return bank.double().draw(0)


@pytest.mark.parametrize("from_bank", [False, True], ids=["batch", "bank"])
@pytest.mark.parametrize("generator", [None, AugmentationGenerator(SIZE, VIEWS, 8).double()])
@pytest.mark.parametrize("contrast", [None, InfoNCE()])
def test_blocks_equal_the_whole(contrast, generator, from_bank, monkeypatch):
    objective = MetAugObjective(contrast, margin=MarginRegularization(acts_on="generator"))
    shared = (
        objective,
        generator,
        COUNT,
        VIEWS,
        draws() if from_bank else None,
        torch.arange(COUNT),
    )

    def evaluate():
        parts = BatchObjective(*shared)
        leaf = FEATURES.clone().requires_grad_()
        inner = sum(part(leaf) for part in parts.inner)
        outer = sum(part(leaf) for part in parts.outer or parts.inner)
        grads = torch.autograd.grad(inner, leaf, retain_graph=True) + torch.autograd.grad(
            outer, leaf
        )
        return len(parts.inner), [inner, outer, *grads, parts.contrast, parts.margin]

    number, whole = evaluate()
    assert number == 1
    monkeypatch.setattr(row_blocks, "MAX_SIMILARITIES", 60 if generator is None else 300)
    number, blocks = evaluate()
    assert number > 2
    torch.testing.assert_close(blocks, whole, rtol=1e-10, atol=1e-12)
    if generator is not None:
        assert whole[1] > whole[0]  # the outer objective has R


def test_outer_only_where_it_differs():
    generator = AugmentationGenerator(SIZE, VIEWS, 8)
    for acts_on, differs in (("both", False), ("generator", True), ("none", False)):
        objective = MetAugObjective(margin=MarginRegularization(acts_on=acts_on))
        assert (BatchObjective(objective, generator, COUNT, VIEWS).outer is not None) == differs
        assert BatchObjective(objective, None, COUNT, VIEWS).outer is None


@pytest.mark.parametrize("limit", [2**25, 300])
def test_statistics_of_the_generator_move_once(limit, monkeypatch):
    monkeypatch.setattr(row_blocks, "MAX_SIMILARITIES", limit)
    generator = AugmentationGenerator(SIZE, VIEWS, 8, norm=True).double()
    expected = AugmentationGenerator(SIZE, VIEWS, 8, norm=True).double()
    expected.load_state_dict(generator.state_dict())
    expected(FEATURES)
    parts = BatchObjective(MetAugObjective(), generator, COUNT, VIEWS)
    losses = [[float(part(FEATURES).detach()) for part in parts.inner] for _ in range(3)]
    assert losses[0] == losses[1] == losses[2]
    torch.testing.assert_close(dict(generator.named_buffers()), dict(expected.named_buffers()))


def test_terms_are_those_of_the_first_evaluation():
    generator = AugmentationGenerator(SIZE, VIEWS, 8).double()
    objective = MetAugObjective(margin=MarginRegularization())
    parts = BatchObjective(objective, generator, COUNT, VIEWS)
    expected = objective(FEATURES, generator)
    parts.inner[0](FEATURES)
    parts.inner[0](unit_features(COUNT, VIEWS, SIZE, seed=9))
    torch.testing.assert_close(parts.contrast, expected.contrast.detach())
    torch.testing.assert_close(parts.margin, expected.margin.detach())
