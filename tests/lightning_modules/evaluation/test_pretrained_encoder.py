import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from metaug.callbacks import export_backbone
from metaug.lightning_modules import Encoder, PerViewEncoder, PretrainedEncoder
from metaug.lightning_modules.networks.exported_backbone import read_exported
from torch import nn

from ..tiny import fit, tiny_encoder, tiny_metaug

SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 16, 24, 32]}

EXPORT = Path(__file__).parents[2] / "fixtures" / "b7ebaea" / "export"


def small_encoder(**settings) -> Encoder:
    return Encoder(
        "resnet18", image_channels=1, projection_dim=8, backbone_args=SMALL, **settings
    ).eval()


@pytest.fixture
def image():
    return torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def test_a_checkpoint_gives_the_representation_and_the_projection(tmp_path, image):
    module = tiny_metaug(encoder=small_encoder(small_images=True))
    fit(module.train()).save_checkpoint(tmp_path / "last.ckpt")
    module.eval()
    for layer, expected in (
        ("representation", module(image)),
        ("projection", module.encoder.project(image)),
    ):
        encoder = PretrainedEncoder(str(tmp_path / "last.ckpt"), layer).freeze()
        torch.testing.assert_close(encoder(image), expected)
        assert encoder.width(1, 16, 16) == expected.shape[1]


def test_a_part_of_the_backbone_is_averaged_over_space(image):
    encoder = small_encoder(small_images=True)
    net = encoder.backbone
    hidden = net.layer2(net.layer1(net.maxpool(net.act1(net.bn1(net.conv1(image))))))
    got = PretrainedEncoder(encoder, "layer2").freeze()(image)
    torch.testing.assert_close(got, hidden.mean((2, 3)))


def test_tokens_of_a_transformer_are_averaged(image):
    net = timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=2,
        in_chans=1, num_classes=0,
    ).eval()  # fmt: skip
    tokens = []
    net.blocks[0].register_forward_hook(lambda module, given, output: tokens.append(output))
    got = PretrainedEncoder(net, "blocks.0").freeze()(image)
    torch.testing.assert_close(got, tokens[0].mean(1))


@pytest.mark.parametrize("small_images", [False, True])
def test_an_export_gives_equal_features(tmp_path, image, small_images):
    encoder = small_encoder(small_images=small_images)
    export_backbone(encoder.backbone, tmp_path, architecture_args=SMALL)
    got = PretrainedEncoder(tmp_path).freeze()
    assert torch.equal(got(image), encoder.represent(image))
    with pytest.raises(ValueError, match="projection head, and ResNet has none"):
        PretrainedEncoder(tmp_path, "projection")


def test_encoders_per_view_are_taken_side_by_side(image):
    parts = [tiny_encoder(seed=1), tiny_encoder(seed=2)]
    encoder = PerViewEncoder(parts, channels=[[0], [0]]).eval()
    expected = torch.cat([part.represent(image) for part in parts], dim=1)
    assert torch.equal(PretrainedEncoder(encoder).freeze()(image), expected)


def test_a_stem_of_version_0_1_0_is_that_of_small_images_or_refused(tmp_path, image):
    """Its config has the lines of Python that change timm's stem; they are compared, never run."""
    encoder = small_encoder(small_images=True)
    export_backbone(encoder.backbone, tmp_path, architecture_args=SMALL)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("small_images")
    stem = "model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)\nmodel.maxpool = nn.Identity()"
    (tmp_path / "config.json").write_text(json.dumps(config | {"stem": stem}))
    assert torch.equal(read_exported(tmp_path).eval()(image), encoder.represent(image))
    for other in (
        "import os",
        "model.conv1.stride = (1, 1)",
        stem.replace("padding=1", "padding=2"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | {"stem": other}))
        with pytest.raises(ValueError, match=r"small_images=True does not; build the module"):
            read_exported(tmp_path)


def test_an_unchanged_stem_of_version_0_1_0_is_timms(tmp_path, image):
    encoder = small_encoder()
    export_backbone(encoder.backbone, tmp_path, architecture_args=SMALL)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("small_images") is False
    (tmp_path / "config.json").write_text(json.dumps(config | {"stem": ""}))
    assert torch.equal(read_exported(tmp_path).eval()(image), encoder.represent(image))


def test_mistakes_name_value_and_cure(tmp_path, image):
    encoder = small_encoder(small_images=True)
    with pytest.raises(ValueError, match=r"no layer 'layer9'; use .*layer4"):
        PretrainedEncoder(encoder, "layer9")
    shared = nn.Identity()
    twice = PretrainedEncoder(nn.Sequential(shared, shared, nn.Flatten()), "0")
    with pytest.raises(ValueError, match=r"layer '0' ran 2 times in one pass"):
        twice(image)
    (tmp_path / "other.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="cannot be rebuilt as MetAug"):
        PretrainedEncoder(tmp_path / "other.ckpt")
    with pytest.raises(FileNotFoundError, match=r"has no config.json, so it is no exported"):
        PretrainedEncoder(tmp_path)
    export_backbone(encoder.backbone, tmp_path / "export", architecture_args=SMALL)
    config = json.loads((tmp_path / "export/config.json").read_text())
    (tmp_path / "export/config.json").write_text(json.dumps(config | {"architecture": "resnet0"}))
    with pytest.raises(ValueError, match="architecture 'resnet0', which timm does not know"):
        read_exported(tmp_path / "export")
    config["model_args"]["channels"] = [8, 8, 8, 8]
    (tmp_path / "export/config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"does not fit timm's resnet18 with"):
        read_exported(tmp_path / "export")


@pytest.mark.parametrize("broken", ["no json", "a list", "no architecture", "cut weights", "text"])
def test_a_broken_export_is_refused_in_a_line(broken, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(EXPORT, folder)
    config, weights = folder / "config.json", folder / "model.safetensors"
    if broken == "no json":
        config.write_text("{'architecture': ")
    elif broken == "a list":
        config.write_text("[1, 2]")
    elif broken == "no architecture":
        config.write_text('{"model_args": {}}')
    elif broken == "cut weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.write_text("not weights")
    with pytest.raises(ValueError, match="export the backbone again") as caught:
        PretrainedEncoder(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_backbone_that_refuses_without_a_word():
    class Wordless(nn.Linear):
        def forward(self, image):
            raise AssertionError

    with pytest.raises(ValueError, match=r"data's images \[1, 8, 8\] \(AssertionError\)"):
        PretrainedEncoder(Wordless(3, 3)).width(1, 8, 8)
