import math

import pytest
import torch
from metaug.datamodules.transforms.seeding import Draws, mix, sample_seeds


def splitmix64(value):
    """The reference, in Python's integers (Steele, Lea, Flood, OOPSLA 2014)."""
    mask = (1 << 64) - 1
    value &= mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def test_mix_is_splitmix64():
    values = [0, 1, -1, 12345678901234567, -(1 << 63), (1 << 63) - 1]
    mixed = mix(torch.tensor(values)).tolist()
    assert [value % (1 << 64) for value in mixed] == [splitmix64(value) for value in values]


def test_seeds_depend_on_seed_epoch_and_index_only():
    index = torch.arange(100)
    seeds = sample_seeds(0, 3, index)
    assert torch.equal(sample_seeds(0, torch.full((100,), 3), index), seeds)
    assert torch.equal(sample_seeds(0, 3, index.flip(0)).flip(0), seeds)
    everything = torch.cat(
        [sample_seeds(seed, epoch, index) for seed in range(5) for epoch in range(20)]
    )
    assert len(everything.unique()) == 10_000


def test_draws_of_an_image_do_not_depend_on_its_batch():
    seeds = sample_seeds(0, 0, torch.arange(8))
    whole, part = Draws(seeds, 1), Draws(seeds[2:5], 1)
    for _ in range(3):
        assert torch.equal(whole.uniforms(4)[2:5], part.uniforms(4))
    assert not torch.equal(Draws(seeds, 0).uniform(), Draws(seeds, 1).uniform())
    assert not torch.equal(whole.uniform(), whole.uniform())


def test_uniforms_are_uniform_and_independent():
    draws = Draws(sample_seeds(1, 2, torch.arange(2000)))
    u = draws.uniforms(50)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean().item() - 0.5) < 5 * math.sqrt(1 / 12 / u.numel())
    histogram = torch.histc(u, 20, 0, 1) / u.numel() * 20
    assert (histogram - 1).abs().max() < 0.06
    correlation = torch.corrcoef(u.T) - torch.eye(50)
    assert correlation.abs().max() < 5 / math.sqrt(2000)


def test_normals_and_chances():
    draws = Draws(sample_seeds(0, 0, torch.arange(1000)))
    normals = draws.normals(100)
    assert normals.mean().item() == pytest.approx(0, abs=0.02)
    assert normals.std().item() == pytest.approx(1, abs=0.02)
    assert normals.isfinite().all()
    assert draws.chance(0.3).float().mean().item() == pytest.approx(0.3, abs=0.06)
    assert not draws.chance(0.0).any()
    assert draws.chance(1.0).all()


def test_normals_are_finite_for_the_largest_uniform(monkeypatch):
    steps = torch.tensor([[0.0, 2.0**23, 2.0**24 - 2, 2.0**24 - 1]]) / 2**24
    monkeypatch.setattr(Draws, "uniforms", lambda self, count: steps)
    normals = Draws(torch.arange(1)).normals(4)
    assert normals.isfinite().all()
    assert (normals.diff() >= 0).all()
    assert normals[0, 3] == pytest.approx(5.29, abs=0.01)


def test_a_number_depends_on_its_place_in_the_stream_alone():
    """Whatever is drawn at once: number j is a hash of the image's state and j."""
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15
    state = splitmix64(5 + 4 * golden)  # seed 5, stream 3
    expected = [splitmix64(state + j * golden & mask) >> 40 for j in range(1, 161)]
    draws = Draws(torch.tensor([5]), 3)
    drawn = [draws.uniforms(count) for count in (20, 1, 2, 30, 100, 6)]
    drawn.append(draws.uniform()[:, None])
    assert [int(number * (1 << 24)) for number in torch.cat(drawn, 1)[0]] == expected
    assert all(part.is_contiguous() for part in drawn[:-1])


def test_streams_side_by_side_are_those_of_each():
    seeds = sample_seeds(0, 0, torch.arange(4))
    together = Draws(seeds, range(2, 5))
    assert len(together) == 12
    numbers = together.uniforms(7).unflatten(0, (3, 4))
    for stream, mine in zip(range(2, 5), numbers, strict=True):
        assert torch.equal(mine, Draws(seeds, stream).uniforms(7))
