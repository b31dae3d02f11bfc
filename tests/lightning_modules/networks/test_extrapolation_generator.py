"""FT's positives against their equation, feature by feature."""

import zlib

import numpy as np
import pytest
import torch
from metaug.lightning_modules import ExtrapolationGenerator
from torch.nn import functional


def features(views):
    values = torch.arange(20.0 * views).double().sin().view(5, views, 4)
    return functional.normalize(values, dim=-1)


@pytest.mark.parametrize("step", [0, 3])
@pytest.mark.parametrize("views", [2, 3])
def test_equals_the_loop(views, step):
    given = features(views)
    generator = ExtrapolationGenerator(concentration=1.5, seed=5)
    generator.draws.set_step(step)
    random = np.random.default_rng([5, step, zlib.crc32(b"extrapolation")])
    augmented = generator(given)
    for i in range(5):
        weight = 1 + random.beta(1.5, 1.5)
        assert 1 < weight < 2
        for v in range(views):
            moved = weight * given[i, v] + (1 - weight) * given[i, (v + 1) % views]
            torch.testing.assert_close(augmented[i, v], moved / moved.norm())


def test_positives_of_two_views_become_harder():
    given = features(2)
    augmented = ExtrapolationGenerator()(given)
    assert (augmented.prod(dim=1).sum(-1) < given.prod(dim=1).sum(-1)).all()


def test_the_encoder_learns_through_it_and_it_has_no_parameters():
    assert torch.autograd.gradcheck(ExtrapolationGenerator(), features(3).requires_grad_())
    assert list(ExtrapolationGenerator().parameters()) == []


@pytest.mark.parametrize(("name", "value"), [("concentration", 0.0), ("seed", -1)])
def test_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value}"):
        ExtrapolationGenerator(**{name: value})
