"""What a probe looks at: a layer of the encoder, with and without augmented features."""

import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import KNNProbe, LinearProbe, Representation, Summary
from metaug.datamodules import DigitsDataModule
from metaug.lightning_modules import (
    AlexNetSplit,
    AugmentationGenerator,
    MetAug,
    MetAugObjective,
)
from torch import nn

from ..test_with_metaug import small_metaug
from ..tiny import quiet_trainer, tiny_module


def split_metaug(**settings) -> MetAug:
    torch.manual_seed(0)
    encoder = AlexNetSplit([[0], [1, 2]], feature_dim=16, width=1 / 32, layer="fc7")
    defaults = {"generator": AugmentationGenerator(16, 2, 16)}
    return MetAug(encoder, MetAugObjective(), **{**defaults, **settings}).eval()


IMAGE = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_is_the_modules_forward_by_default():
    module = split_metaug()
    assert torch.equal(Representation().of(module)(IMAGE), module(IMAGE))
    assert torch.equal(module(IMAGE), module.encoder.represent(IMAGE, "fc7"))


def test_is_a_layer_of_all_towers():
    module = split_metaug()
    found = Representation(layer="conv2").of(module)(IMAGE)
    parts = [
        tower.represent(part, "conv2")
        for tower, part in zip(module.encoder.encoders, (IMAGE[:, :1], IMAGE[:, 1:]), strict=True)
    ]
    assert torch.equal(found, torch.cat(parts, dim=1))


def test_joins_the_augmented_features_of_each_tower():
    module = split_metaug()
    found = Representation(layer="conv2", augmented=True).of(module)(IMAGE)
    plain = module.encoder.represent(IMAGE, "conv2")
    assert torch.equal(found[:, : plain.shape[1]], plain)
    views = zip(module.encoder.encoders, (IMAGE[:, :1], IMAGE[:, 1:]), strict=True)
    features = [tower.project(part) for tower, part in views]
    for view, feature in enumerate(features):
        expected = nn.functional.normalize(module.generator.networks[view](feature), dim=1)
        start = plain.shape[1] + 16 * view
        torch.testing.assert_close(found[:, start : start + 16], expected)
    assert found.shape[1] == plain.shape[1] + 32


def test_a_shared_encoder_gives_every_view_the_whole_image():
    module = small_metaug().eval()
    image = torch.randn(3, 1, 8, 8)
    found = Representation(augmented=True).of(module)(image)
    feature = module.encoder.project(image)
    expected = [nn.functional.normalize(each(feature), dim=1) for each in module.generator.networks]
    torch.testing.assert_close(found, torch.cat([module(image), *expected], dim=1))


def test_without_a_generator_nothing_is_joined():
    module = split_metaug(generator=None)
    found = Representation(augmented=True).of(module)(IMAGE)
    assert torch.equal(found, module(IMAGE))


def test_probes_of_one_trainer_look_at_what_each_is_told(tmp_path, capsys):
    probes = [
        LinearProbe(name="val/plain_top1"),
        LinearProbe(name="val/joined_top1", representation=Representation(augmented=True)),
        KNNProbe(k=5, representation=Representation(augmented=True)),
    ]
    module = small_metaug()
    trainer = quiet_trainer(tmp_path, callbacks=[*probes, Summary()], max_epochs=1)
    data = DigitsDataModule(batch_size=512, labels_per_class=10, num_workers=0)
    trainer.fit(module, datamodule=data)
    assert [probe.head.weight.shape[1] for probe in probes[:2]] == [32, 32 + 2 * 16]
    assert "joined_top5" in capsys.readouterr().out
    scores = trainer.callbacks[3].scores["untrained encoder"]
    assert scores["val/plain_top1"] != scores["val/joined_top1"]


def test_is_a_part_of_the_module_or_a_function_of_it():
    module = small_metaug().eval()
    image = torch.randn(3, 1, 8, 8)
    for given in (
        "encoder.backbone",
        "encoder",  # whose forward takes views, and represent images
        lambda metaug, images: metaug.encoder.backbone(images),
        {"network": "encoder.backbone"},
        Representation(network="encoder.backbone"),
        None,
    ):
        assert torch.equal(Representation.read(given).of(module)(image), module(image))
    joined = Representation(network="encoder.backbone", augmented=True).of(module)(image)
    assert torch.equal(joined, Representation(augmented=True).of(module)(image))
    assert Representation.read("backbone") == Representation(network="backbone")
    with pytest.raises(TypeError, match="representation=3 is none; give the dotted path"):
        LinearProbe(representation=3)
    with pytest.raises(TypeError, match=r"Representation does not take: .*'lyer'"):
        LinearProbe(representation={"lyer": "layer1"})


def test_says_beside_the_score_what_was_looked_at():
    assert Representation().words == ""
    assert Representation(augmented=True).words == "augmented, "
    assert Representation("conv5", augmented=True).words == "conv5 + augmented, "
    assert Representation(network="encoder.backbone").words == "encoder.backbone, "
    assert Representation(network=lambda module, image: image).words == "lambda, "
    assert Representation(network=split_metaug).words == "split_metaug, "


@pytest.mark.parametrize(
    ("representation", "module", "message"),
    [
        (Representation("conv9"), split_metaug, "no layer of that name; use one of conv1, .*fc8"),
        (Representation("conv1"), small_metaug, "encoder Encoder has no layer of that name; set"),
        (Representation("conv1"), tiny_module, "no layer of that name; set representation to null"),
        (Representation(augmented=True), tiny_module, "ValidatedModule has no augmented features"),
        ("encoder.body", small_metaug, "MetAug has no part .*; its encoder has backbone, proj"),
        (Representation("conv1", network="encoder"), split_metaug, "not of both; leave one out"),
    ],
)
def test_what_a_module_lacks_is_said_before_training(representation, module, message, tmp_path):
    probe = LinearProbe(queries=[], bank=[], representation=representation)
    with pytest.raises(ValueError, match=message):
        probe.setup(pl.Trainer(logger=False, accelerator="cpu"), module(), "fit")
