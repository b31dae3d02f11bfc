"""The augmentation generator: one MLP per view, unit norm, checked sizes."""

import itertools

import pytest
import torch
from metaug.lightning_modules import AugmentationGenerator, ResidualGenerator
from torch import nn
from torch.nn import functional

FEATURES = functional.normalize(torch.arange(60.0).sin().view(5, 3, 4), dim=-1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", [AugmentationGenerator, ResidualGenerator])
def test_equals_the_networks_view_by_view(shared, kind):
    generator = kind(4, 3, 8, shared=shared)
    assert len(generator.networks) == (1 if shared else 3)
    augmented = generator(FEATURES)
    for view in range(3):
        output = generator.networks[0 if shared else view](FEATURES[:, view])
        expected = FEATURES[:, view] + output if kind is ResidualGenerator else output
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(augmented[:, view], expected)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_width_and_depth(layers):
    network = AugmentationGenerator(4, 2, hidden_dim=7, num_layers=layers).networks[1]
    linear = [each for each in network if isinstance(each, nn.Linear)]
    sizes = [4] + [7] * (layers - 1) + [4]
    assert [(each.in_features, each.out_features) for each in linear] == list(
        itertools.pairwise(sizes)
    )
    assert sum(isinstance(each, nn.ReLU) for each in network) == layers - 1


def test_norm():
    network = AugmentationGenerator(4, 2, norm=True).networks[0]
    assert any(isinstance(each, nn.BatchNorm1d) for each in network)


def test_identity():
    generator = ResidualGenerator(4, 3, 8, radius=0.5, identity=True)
    torch.testing.assert_close(generator(FEATURES), FEATURES)
    generator(FEATURES).square().cumsum(1).sum().backward()
    assert all(bool(network[-1].weight.grad.any()) for network in generator.networks)


def test_radius_bounds_the_angle():
    generator = ResidualGenerator(4, 3, 8, radius=0.5)
    for network in generator.networks:
        nn.init.normal_(network[-1].weight, std=1e3)
    cosine = (generator(FEATURES) * FEATURES).sum(-1)
    assert cosine.min() >= (1 - 0.5**2) ** 0.5 - 1e-6  # cos(arcsin(radius))
    assert cosine.min() < 0.99
    small = ResidualGenerator(4, 3, 8, radius=0.5)
    output = small.networks[1](FEATURES[:, 1])
    added = 0.5 * output / (1 + output.norm(dim=1, keepdim=True) ** 2).sqrt()
    expected = functional.normalize(FEATURES[:, 1] + added, dim=1)
    torch.testing.assert_close(small(FEATURES)[:, 1], expected)


def test_centered_takes_the_common_shift_away_and_no_other():
    generator = ResidualGenerator(4, 3, 8, centered=True)
    outputs = [net(FEATURES[:, view]) for view, net in enumerate(generator.networks)]
    added = torch.stack(outputs, dim=1)
    added = added - added.mean(dim=(0, 1))
    before = generator(FEATURES)
    torch.testing.assert_close(before, functional.normalize(FEATURES + added, dim=-1))
    with torch.no_grad():
        for network in generator.networks:
            network[-1].bias += torch.tensor([1.0, -2.0, 3.0, 0.5])
    torch.testing.assert_close(generator(FEATURES), before)
    with torch.no_grad():
        generator.networks[0][-1].bias += 1
        generator.networks[1][-1].bias -= 1
    assert (generator(FEATURES) - before).abs().amax(dim=(0, 2))[:2].min() > 0.1


@pytest.mark.parametrize("shape", [(5, 2, 4), (5, 3, 6), (5, 4)])
def test_wrong_features(shape):
    with pytest.raises(ValueError, match=r"built for features \[N, 3 views, 4\], got \[5, "):
        AugmentationGenerator(4, 3)(torch.rand(shape))


def test_wrong_settings():
    with pytest.raises(ValueError, match="num_views must be at least 2, got 1; set it to"):
        AugmentationGenerator(num_views=1)
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        AugmentationGenerator(num_layers=0)
    with pytest.raises(ValueError, match="radius must be greater than 0, got 0"):
        ResidualGenerator(radius=0)
