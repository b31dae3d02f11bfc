"""AlexNet split over views, against the published description and plain torch functions."""

import pytest
import torch
from jsonargparse import ArgumentParser
from metaug.lightning_modules import (
    AlexNet,
    AlexNetSplit,
    AugmentationGenerator,
    MetAugObjective,
)
from metaug.lightning_modules.checkpoints.rebuildable import constructor_config
from metaug.lightning_modules.meta_gradient import meta_gradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import nn
from torch.nn import functional

NARROW = 1 / 32
LAB = [[0], [1, 2], [0, 1, 2]]
# CMC (Tian et al., ECCV 2020): kernels of 11, 5, 3, 3 and 3 pixels without bias, each followed by
# BatchNorm (a scale and a shift per channel); widths 96, 256, 384, 384, 256, 4096, 4096 halved.
PARAMETERS = {
    "conv1": lambda channels: 48 * channels * 11 * 11 + 2 * 48,
    "conv2": lambda channels: 128 * 48 * 5 * 5 + 2 * 128,
    "conv3": lambda channels: 192 * 128 * 3 * 3 + 2 * 192,
    "conv4": lambda channels: 192 * 192 * 3 * 3 + 2 * 192,
    "conv5": lambda channels: 128 * 192 * 3 * 3 + 2 * 128,
    "fc6": lambda channels: 128 * 6 * 6 * 2048 + 2048 + 2 * 2048,
    "fc7": lambda channels: 2048 * 2048 + 2048 + 2 * 2048,
    "fc8": lambda channels: 2048 * 128 + 128,
}
SHAPES = {
    "conv1": (48, 27, 27),
    "conv2": (128, 13, 13),
    "conv3": (192, 13, 13),
    "conv4": (192, 13, 13),
    "conv5": (128, 6, 6),
    "fc6": (2048,),
    "fc7": (2048,),
    "fc8": (128,),
}
# What CMC's linear classifiers take from its two towers: channels times the pooled map.
CLASSIFIED = {
    "conv1": 96 * 10 * 10,
    "conv2": 256 * 6 * 6,
    "conv3": 384 * 5 * 5,
    "conv4": 384 * 5 * 5,
    "conv5": 256 * 6 * 6,
}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def narrow_split(**settings) -> AlexNetSplit:
    torch.manual_seed(0)
    return AlexNetSplit(**{"channels": LAB, "feature_dim": 8, "width": NARROW, **settings})


@pytest.fixture(scope="module")
def paper() -> AlexNetSplit:
    return AlexNetSplit()


def test_parameters_are_those_of_the_published_description(paper):
    for tower, channels in zip(paper.encoders, (1, 2, 3), strict=True):
        for name, expected in PARAMETERS.items():
            assert count(getattr(tower, name)) == expected(channels), name
    towers = [sum(each(channels) for each in PARAMETERS.values()) for channels in (1, 2, 3)]
    assert count(paper) == sum(towers) == 44_540_352


def test_shapes_are_those_of_the_published_description(paper):
    paper.eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        for tower, part in zip(paper.encoders, LAB, strict=True):
            shapes = {name: tower.output(images[:, part], name).shape[1:] for name in SHAPES}
            assert shapes == SHAPES
        assert paper([images[:, part] for part in LAB]).shape == (1, 3, 128)


def test_representations_of_two_towers_are_as_long_as_cmcs_classifiers_expect():
    encoder = AlexNetSplit(channels=[[0], [1, 2]]).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        lengths = {name: encoder.represent(images, name).shape[1] for name in CLASSIFIED}
    assert lengths == CLASSIFIED


@pytest.mark.parametrize("layer", list(SHAPES))
def test_num_features_is_the_length_of_the_representation(layer):
    encoder = narrow_split(layer=layer)
    representation = encoder.represent(torch.randn(2, 3, 64, 80))
    assert representation.shape == (2, encoder.num_features)


def reference(tower: AlexNet, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every layer's output, from the parameters by plain functions, in training mode."""
    outputs = {}
    for number, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
        convolution, norm = getattr(tower, f"conv{number}")[:2]
        value = functional.conv2d(value, convolution.weight, None, stride, padding)
        mean, variance = value.mean((0, 2, 3)), value.var((0, 2, 3), correction=0)
        value = (value - mean[:, None, None]) / (variance + 1e-5)[:, None, None].sqrt()
        value = value * norm.weight[:, None, None] + norm.bias[:, None, None]
        value = value.clamp(min=0)
        if number in (1, 2, 5):
            value = functional.max_pool2d(value, 3, 2)
        outputs[f"conv{number}"] = value
    value = value.flatten(1)
    for name in ("fc6", "fc7"):
        weights, norm = getattr(tower, name)[:2]
        value = value @ weights.weight.T + weights.bias
        value = (value - value.mean(0)) / (value.var(0, correction=0) + 1e-5).sqrt()
        value = (value * norm.weight + norm.bias).clamp(min=0)
        outputs[name] = value
    outputs["fc8"] = value @ tower.fc8.weight.T + tower.fc8.bias
    return outputs


def test_every_layer_is_what_its_parameters_say():
    torch.manual_seed(0)
    tower = AlexNet(image_channels=2, feature_dim=8, width=NARROW).double()
    for name, parameter in tower.named_parameters():
        if ".1." in name:  # BatchNorm that is not the identity
            nn.init.uniform_(parameter, 0.5, 1.5)
    images = torch.randn(4, 2, 224, 224, dtype=torch.float64)
    for name, expected in reference(tower, images).items():
        torch.testing.assert_close(tower.output(images, name), expected)
        if name.startswith("fc"):
            unit = expected / expected.norm(dim=1, keepdim=True)
            torch.testing.assert_close(
                tower.represent(images, name), unit if name == "fc8" else expected
            )
    torch.testing.assert_close(tower.project(images), unit)
    peaks = tower.output(images, "conv3").unfold(2, 3, 1).unfold(3, 3, 1).amax((4, 5))
    # the first of the windows that pool 13 pixels to 5 is 3 pixels wide
    first = tower.represent(images, "conv3").unflatten(1, (-1, 5, 5))[..., 0, 0]
    torch.testing.assert_close(first, peaks[..., 0, 0])


def test_each_tower_sees_the_channels_of_its_view():
    encoder = narrow_split(layer="fc7").eval()
    image = torch.randn(2, 3, 64, 64)
    changed = image.clone()
    changed[:, 1] += 1.0
    before, after = encoder.represent(image).chunk(3, 1), encoder.represent(changed).chunk(3, 1)
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, False, False]
    features = encoder([image[:, part] for part in LAB])
    for view, part in enumerate(LAB):
        expected = encoder.encoders[view].project(image[:, part])
        torch.testing.assert_close(features[:, view], expected)
    torch.testing.assert_close(features.norm(dim=2), torch.ones(2, 3))


def test_engines_agree_on_it():
    encoder = narrow_split().double()
    generator = AugmentationGenerator(8, 3, 8).double()
    objective = MetAugObjective(composition="substituted", augmented_weight=1.0)
    image = torch.randn(4, 3, 63, 63, dtype=torch.float64)
    names = [name for name, _ in encoder.named_parameters()]

    def gradient(engine: str) -> torch.Tensor:
        encode = FunctionalEncoder(encoder, names, [image[:, part] for part in LAB])
        result = meta_gradient(
            encode,
            list(encoder.parameters()),
            lambda features: objective(features, generator).inner,
            list(generator.parameters()),
            inner_lr=1e-2,
            engine=engine,
        )
        return torch.cat([each.flatten() for each in result.generator])

    reference = gradient("higher")
    torch.testing.assert_close(gradient("exact"), reference, rtol=1e-10, atol=1e-12)


def test_is_built_again_from_its_recipe():
    encoder = narrow_split(layer="fc6")
    parser = ArgumentParser()
    parser.add_subclass_arguments(nn.Module, "encoder")
    built = parser.instantiate_classes(
        parser.parse_object({"encoder": constructor_config(encoder)})
    ).encoder
    built.load_state_dict(encoder.state_dict())
    image = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(built.eval().represent(image), encoder.eval().represent(image))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"layer 'conv6' is unknown; use one of conv1, .*fc8"):
        AlexNet(layer="conv6")
    with pytest.raises(ValueError, match="width must be greater than 0, got 0"):
        AlexNet(width=0)
    with pytest.raises(ValueError, match=r"63 pixels or more, got \[32, 64\]; set .*image_size"):
        narrow_split().represent(torch.randn(2, 3, 32, 64))
