import pytest
import torch
from metaug.datamodules.sources.label_subsets import (
    few_per_class,
    fraction_per_class,
    split_fraction,
)


def test_every_class_keeps_at_least_one_label():
    targets = torch.tensor([0] * 500 + [1] * 3 + [-1] * 50)
    chosen = fraction_per_class(targets, 0.01)
    assert torch.bincount(targets[chosen]).tolist() == [5, 1]


def test_few_and_fraction_choose_in_one_order():
    targets = torch.arange(40) % 4
    assert few_per_class(targets, 2, seed=3) == fraction_per_class(targets, 0.2, seed=3)
    assert few_per_class(targets, 2, seed=3) != few_per_class(targets, 2, seed=4)


def test_nothing_is_chosen_where_nothing_is_labeled():
    targets = torch.full((5,), -1)
    assert few_per_class(targets, 2) == fraction_per_class(targets, 0.5) == []


def test_a_split_takes_images_without_a_label_as_a_class():
    targets = torch.tensor([0, -1] * 10)
    kept, held_out = split_fraction(targets, 0.2)
    assert sorted(kept + held_out) == list(range(20))
    assert targets[held_out].sort().values.tolist() == [-1, -1, 0, 0]


def test_wrong_numbers():
    targets = torch.arange(4)
    with pytest.raises(ValueError, match=r"labels_per_class must be .* at least 1, got 0"):
        few_per_class(targets, 0)
    with pytest.raises(ValueError, match=r"val_fraction must be .* above 0 and below 1, got 1\.0"):
        split_fraction(targets, 1.0)
