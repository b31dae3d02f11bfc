"""Encoders: representation, features and their sizes."""

import copy
import itertools

import pytest
import torch
from metaug.lightning_modules import Encoder, PerViewEncoder
from torch import nn
from torch.nn import functional

from ..tiny import backbone, tiny_encoder


def views(channels: tuple[int, ...] = (1, 1), size: int = 8) -> list[torch.Tensor]:
    return [torch.randn(4, count, size, size) for count in channels]


def test_features_are_the_projected_representation():
    encoder = tiny_encoder()
    images = views()
    features = encoder(images)
    assert features.shape == (4, 2, 8)
    for view, image in enumerate(images):
        representation = encoder.backbone(image)
        torch.testing.assert_close(encoder.represent(image), representation)
        expected = encoder.projection(representation)
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(features[:, view], expected)


def test_batch_norm_sees_all_views_together():
    encoder = tiny_encoder(norm=True)
    images = views()
    expected = functional.normalize(encoder.projection(encoder.backbone(torch.cat(images))), dim=1)
    torch.testing.assert_close(encoder(images).transpose(0, 1).flatten(0, 1), expected)


@pytest.mark.parametrize("channels_last", [True, False])
def test_images_and_weights_are_in_the_memory_format_asked_for(channels_last):
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plain = copy.deepcopy(backbone)
    encoder = Encoder(backbone, channels_last=channels_last)
    assert backbone[0].weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    seen = []
    backbone[0].register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    images = views((3, 3))
    encoder.eval()
    features = encoder(images)
    for view, image in enumerate(images):
        torch.testing.assert_close(encoder.represent(image), plain(image))
        expected = functional.normalize(encoder.projection(plain(image)))
        torch.testing.assert_close(features[:, view], expected)
    assert len(seen) == 3  # training passes all views at once
    for given in seen:
        assert given.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_views_of_different_sizes_keep_their_order():
    encoder = tiny_encoder()
    images = [torch.randn(4, 1, size, size) for size in (8, 6, 8)]
    features = encoder(images)
    for view, image in enumerate(images):
        torch.testing.assert_close(features[:, view], encoder.project(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_are_precise(dtype):
    encoder = tiny_encoder().to(dtype)
    image = torch.randn(4, 1, 8, 8, dtype=dtype)
    assert encoder.project(image).dtype == dtype
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
        assert encoder.project(image).dtype == dtype


@pytest.mark.parametrize(("layers", "hidden"), [(1, 0), (2, 0), (3, 5)])
def test_projection_head(layers, hidden):
    encoder = Encoder(
        backbone(),
        image_channels=1,
        projection_dim=6,
        projection_layers=layers,
        projection_hidden=hidden,
    )
    linear = [each for each in encoder.projection if isinstance(each, nn.Linear)]
    sizes = [16] + [hidden or 16] * (layers - 1) + [6]
    found = [(each.in_features, each.out_features) for each in linear]
    assert found == list(itertools.pairwise(sizes))
    norms = sum(isinstance(each, nn.BatchNorm1d) for each in encoder.projection)
    assert norms == layers - 1


def test_one_encoder_per_view():
    made = PerViewEncoder([tiny_encoder(seed=seed) for seed in (1, 2)])
    images = views()
    features = made(images)
    for view in range(2):
        torch.testing.assert_close(features[:, view], made.encoders[view].project(images[view]))
    image = images[0]
    parts = [encoder.represent(image) for encoder in made.encoders]
    torch.testing.assert_close(made.represent(image), torch.cat(parts, dim=1))
    assert made.num_features == 32
    assert made.num_views == 2


def test_each_encoder_takes_its_channels():
    luminance = tiny_encoder()
    color = Encoder(
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        image_channels=2,
        projection_dim=8,
    )
    made = PerViewEncoder([luminance, color], channels=[[0], [1, 2]])
    image = torch.randn(4, 3, 8, 8)
    expected = [luminance.represent(image[:, :1]), color.represent(image[:, 1:])]
    torch.testing.assert_close(made.represent(image), torch.cat(expected, dim=1))
    with pytest.raises(ValueError, match="got channels for 1 views and 2 encoders"):
        PerViewEncoder([luminance, color], channels=[[0]])
