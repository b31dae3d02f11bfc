"""Noise of fixed radius against its equation, feature by feature."""

import zlib

import numpy as np
import pytest
import torch
from metaug.lightning_modules import NoiseGenerator
from torch.nn import functional

FEATURES = functional.normalize(torch.arange(60.0).double().sin().view(5, 3, 4), dim=-1)


@pytest.mark.parametrize("step", [0, 3])
@pytest.mark.parametrize("radius", [0.25, 2.0])
def test_equals_the_loop(radius, step):
    generator = NoiseGenerator(radius, seed=5)
    generator.draws.set_step(step)
    random = np.random.default_rng([5, step, zlib.crc32(b"noise")])
    normal = torch.from_numpy(random.standard_normal((5, 3, 4), dtype=np.float32)).double()
    augmented = generator(FEATURES)
    assert augmented.dtype == torch.float64
    for i in range(5):
        for v in range(3):
            moved = FEATURES[i, v] + radius * normal[i, v] / normal[i, v].norm()
            torch.testing.assert_close(augmented[i, v], moved / moved.norm())


def test_directions_are_uniform_on_the_sphere():
    features = torch.zeros(4000, 2, 3)
    directions = NoiseGenerator(1.0)(features).view(-1, 3)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(8000))
    assert directions.mean(0).abs().max() < 0.03
    covariance = directions.T @ directions / len(directions)
    torch.testing.assert_close(covariance, torch.eye(3) / 3, rtol=0, atol=0.02)


def test_the_encoder_learns_through_it_and_it_has_no_parameters():
    leaf = FEATURES.clone().requires_grad_()
    assert torch.autograd.gradcheck(NoiseGenerator(0.5), leaf)
    assert list(NoiseGenerator().parameters()) == []


@pytest.mark.parametrize(("name", "value"), [("radius", 0.0), ("radius", -1.0), ("seed", -1)])
def test_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value}"):
        NoiseGenerator(**{name: value})
