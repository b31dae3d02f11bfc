"""The memory bank against its definition, entry by entry."""

import pytest
import torch
from metaug.lightning_modules import MemoryBank


def bank(**settings) -> MemoryBank:
    made = MemoryBank(**{"num_negatives": 6, "momentum": 0.25, **settings})
    made.allocate(10, 2, 4)
    return made


def test_initial_entries_are_unit_and_seeded():
    first, second, other = bank(), bank(), bank(seed=1)
    assert first.entries.shape == (10, 2, 4)
    torch.testing.assert_close(first.entries.norm(dim=-1), torch.ones(10, 2))
    assert torch.equal(first.entries, second.entries)
    assert not torch.equal(first.entries, other.entries)


def test_update_moves_the_named_entries_only():
    made = bank()
    before = made.entries.clone()
    features = torch.nn.functional.normalize(torch.randn(2, 2, 4), dim=-1)
    made.update(features, torch.tensor([7, 3]))
    for row in range(10):
        if row not in (7, 3):
            assert torch.equal(made.entries[row], before[row])
    for row, feature in ((7, features[0]), (3, features[1])):
        for view in range(2):
            mixed = 0.25 * before[row, view] + 0.75 * feature[view]
            torch.testing.assert_close(made.entries[row, view], mixed / mixed.norm())


def test_draws_depend_on_seed_and_step_alone():
    made = bank()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = made.draw(3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again, other = made.draw(3), made.draw(4)
    assert torch.equal(first.index, again.index)
    assert not torch.equal(first.index, other.index)
    assert not torch.equal(first.index, bank(seed=1).draw(3).index)
    assert first.features.shape == (2, 6, 4)
    for view in range(2):
        for draw, row in enumerate(first.index):
            assert torch.equal(first.features[view, draw], made.entries[row, view])


def test_allocating_again_keeps_the_entries():
    made = bank()
    made.update(torch.ones(1, 2, 4), torch.tensor([0]))
    before = made.entries.clone()
    made.allocate(10, 2, 4)
    assert torch.equal(made.entries, before)


def test_a_fresh_bank_loads_the_entries():
    made, fresh = bank(seed=3), MemoryBank(6)
    fresh.load_state_dict(made.state_dict())
    assert torch.equal(fresh.entries, made.entries)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_negatives": 0}, "num_negatives must be at least 1, got 0"),
        ({"momentum": 1.0}, r"momentum must be .* less than 1, got 1.0"),
        ({"momentum": -0.1}, r"momentum must be .* less than 1, got -0.1"),
    ],
)
def test_errors(settings, words):
    with pytest.raises(ValueError, match=words):
        MemoryBank(**settings)
