"""An encoder that starts from a file represents images as the network in it does."""

import logging

import pytest
import torch
from metaug.callbacks import export_backbone
from metaug.lightning_modules import Encoder, MetAug, PerViewEncoder
from metaug.lightning_modules.checkpoints.rebuildable import constructor_config, rebuild
from safetensors.torch import save_file
from torch import nn

from ...tiny import fit, tiny_metaug
from .files import (
    images,
    prefixed,
    resnet_encoder,
    timm_resnet,
    torchvision_resnet,
    torchvision_transformer,
    transformer_encoder,
    write,
)


@pytest.fixture
def lines(caplog):
    """What was said of files, a line each."""
    for name in ("lightning.pytorch.utilities.rank_zero", "pytorch_lightning.utilities.rank_zero"):
        caplog.set_level(logging.INFO, logger=name)
    return lambda: [each for each in caplog.messages if each.startswith("pretrained: ")]


def assert_same(encoder: Encoder, network: nn.Module, **kind) -> None:
    """The same representation; the file's network has lost its head."""
    for head in ("fc", "heads"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    with torch.no_grad():
        expected = network(images(**kind)).flatten(1)
        torch.testing.assert_close(encoder.represent(images(**kind)), expected)


def as_sequential(network: nn.Module) -> nn.Sequential:
    """As lightly's examples make a backbone of a ResNet."""
    return nn.Sequential(*list(network.children())[:-1])


def momentum_contrast(network: nn.Module) -> dict:
    """MoCo's own: beside the query's encoder the key's, a moving average, and a queue."""
    other = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    state = {f"module.encoder_k.{name}": value for name, value in other.items()}
    state |= prefixed("module.encoder_q.", network) | {"module.queue": torch.zeros(4, 8)}
    return {"epoch": 3, "arch": "resnet18", "state_dict": state, "optimizer": {"state": {}}}


def compiled(state: dict) -> dict:
    """As torch names the parts of a compiled module, and of one with a compiled part."""
    return {name.replace(".layer1.", ".layer1._orig_mod."): state[name] for name in state}


@pytest.mark.parametrize(
    "content",
    [
        lambda network: network.state_dict(),
        lambda network: {"model": network.state_dict(), "epoch": 1},
        lambda network: {"state_dict": prefixed("backbone.", as_sequential(network))},
        lambda network: {"state_dict": prefixed("backbone.", network)},
        lambda network: {"state_dict": prefixed("encoder.", network)},
        lambda network: compiled(prefixed("backbone._orig_mod.", network)),
        momentum_contrast,
    ],
    ids=["torchvision", "nested", "lightly", "solo", "solo before 1.0.6", "compiled", "moco"],
)
def test_files_of_others(content, tmp_path):
    network = torchvision_resnet()
    assert_same(resnet_encoder(write(content(network), tmp_path)), network)


def test_lightnings_own_small_resnet(tmp_path, lines):
    resnet = pytest.importorskip("lightly.models.resnet")
    torch.manual_seed(0)
    network = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1]).eval()
    path = write({"state_dict": prefixed("backbone.", as_sequential(network))}, tmp_path)
    encoder = resnet_encoder(path, small_images=True)
    assert "has no ReLU after bn1" in lines()[-1]
    # lightly calls that ReLU as a function, so its nn.Sequential has lost it
    encoder.backbone.act1 = nn.Identity()
    pooled = nn.Sequential(as_sequential(network), nn.AdaptiveAvgPool2d(1))
    assert_same(encoder, pooled)


def test_safetensors_and_exports(tmp_path):
    network = timm_resnet(num_classes=0)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    assert_same(resnet_encoder(str(tmp_path / "weights.safetensors")), network)
    export_backbone(network, tmp_path / "export", architecture_args={"layers": [1, 1, 1, 1]})
    assert_same(resnet_encoder(str(tmp_path / "export")), network)


def test_checkpoints_of_this_project(tmp_path, lines):
    model = tiny_metaug(norm=True)
    fit(model).save_checkpoint(tmp_path / "own.ckpt")
    other = tiny_metaug(norm=True).encoder.backbone
    encoder = Encoder(other, image_channels=1, pretrained=str(tmp_path / "own.ckpt"))
    state, own = model.encoder.backbone.state_dict(), encoder.backbone.state_dict()
    assert all(torch.equal(own[name], value) for name, value in state.items())
    assert "behind 'state_dict: encoder.backbone.'" in lines()[-1]


@pytest.mark.parametrize("size", [32, 64])
def test_torchvision_transformers(size, tmp_path, lines):
    network = torchvision_transformer(size)
    path = write(network.state_dict(), tmp_path)
    assert_same(transformer_encoder(path, image_size=size), network, size=size)
    encoder = transformer_encoder(path, image_size=48)
    assert f"pos_embed is resampled from {size // 16}x{size // 16} to 3x3" in lines()[-1]
    prefix = network.encoder.pos_embedding[:, :1]
    assert torch.equal(encoder.backbone.pos_embed[:, :1], prefix)
    assert encoder.represent(images(48)).shape == (2, 24)


def test_all_is_said_in_a_line(tmp_path, lines):
    path = write({"state_dict": prefixed("backbone.", torchvision_resnet())}, tmp_path)
    resnet_encoder(path)
    assert lines() == [
        f"pretrained: 72 tensors of resnet18 from {path} behind 'state_dict: backbone.'; left out: "
        "fc"
    ]


def test_a_stem_for_small_images_starts_at_random(tmp_path, lines):
    network = torchvision_resnet()
    torch.manual_seed(5)
    plain = resnet_encoder(False, small_images=True)
    torch.manual_seed(5)
    encoder = resnet_encoder(write(network.state_dict(), tmp_path), small_images=True)
    assert torch.equal(encoder.backbone.conv1.weight, plain.backbone.conv1.weight)
    assert torch.equal(encoder.backbone.bn1.weight, network.bn1.weight)
    assert torch.equal(encoder.backbone.layer4[0].conv2.weight, network.layer4[0].conv2.weight)
    assert "conv1.weight starts at random ([64, 3, 7, 7] there, [64, 3, 3, 3] here)" in lines()[-1]


@pytest.mark.parametrize("deep_is_here", [False, True])
def test_a_stem_of_other_layers_starts_at_random(deep_is_here, tmp_path, lines):
    encoders = [Encoder("resnet10t", small_images=small) for small in (False, True)]
    here, there = encoders if deep_is_here else reversed(encoders)
    path = write(there.backbone.state_dict(), tmp_path)
    started = Encoder("resnet10t", small_images=here is encoders[1], pretrained=path).backbone
    assert torch.equal(started.layer1[0].conv1.weight, there.backbone.layer1[0].conv1.weight)
    assert "conv1 starts at random (the file's has other layers)" in lines()[-1]


@pytest.mark.parametrize(("there", "here"), [(3, 1), (3, 4), (3, 5), (5, 3), (1, 3), (4, 1)])
def test_other_channels_see_gray_images_alike(there, here, tmp_path, lines):
    network = timm_resnet(in_chans=there, num_classes=0)
    encoder = resnet_encoder(write(network.state_dict(), tmp_path), image_channels=here)
    assert f"conv1.weight is made of weights of {there} for {here} channels" in lines()[-1]
    if (there, here) in {(3, 4), (3, 5)}:  # timm repeats channels
        expected = network.conv1.weight[:, [0, 1, 2, 0, 1][:here]] * 3 / here
        torch.testing.assert_close(encoder.backbone.conv1.weight, expected)
        return
    gray = images(channels=1)
    expected = network(gray.expand(-1, there, -1, -1))
    torch.testing.assert_close(encoder.represent(gray.expand(-1, here, -1, -1)), expected)


def test_each_view_may_start_from_a_file_of_its_own(tmp_path):
    path = write(torchvision_resnet().state_dict(), tmp_path)
    encoder = PerViewEncoder([resnet_encoder(path, image_channels=count) for count in (1, 2)])
    weights = [each.backbone.layer1[0].conv1.weight for each in encoder.encoders]
    assert torch.equal(*weights)


def named(network: nn.Module, *, without: str = "", also: dict | None = None) -> dict:
    state = network.state_dict().items()
    kept = {name: value for name, value in state if not without or not name.startswith(without)}
    return kept | (also or {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            lambda net: named(net, without="layer3"),
            r"15 missing in the file \(layer3.0.conv1.weight, .* and 12 more\)",
        ),
        (
            lambda net: named(net, also={"layer1.1.conv1.weight": torch.zeros(64, 64, 3, 3)}),
            r"1 in the file alone \(layer1.1.conv1.weight\)",
        ),
        (
            lambda net: named(net, also={"layer2.0.bn1.weight": torch.zeros(3)}),
            r"1 of another shape \(layer2.0.bn1.weight: \[3\] there, \[128\] here\)",
        ),
        (
            lambda net: named(net, also={"conv1.weight": torch.zeros(32, 3, 7, 7)}),
            r"1 of another shape \(conv1.weight: \[32, 3, 7, 7\] there, \[64, 3, 7, 7\] here\)",
        ),
        (
            lambda net: named(net, without="conv1"),
            r"1 missing in the file \(conv1.weight\)",
        ),
        (
            lambda net: {"features.0.weight": torch.zeros(2)},
            r"holds no weights of resnet18: features.0.weight there, conv1.weight, bn1.weight, ",
        ),
    ],
    ids=["missing", "deeper", "shape", "width of the stem", "no stem", "another network"],
)
def test_never_in_part(content, words, tmp_path):
    network, own = torchvision_resnet(), resnet_encoder(False).backbone
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = write(content(network), tmp_path)
    with pytest.raises(ValueError, match=words):
        Encoder(own, pretrained=path)
    assert all(torch.equal(own.state_dict()[name], value) for name, value in before.items())


def test_tables_of_another_length_are_no_grid(tmp_path):
    state = torchvision_transformer().state_dict()
    state["encoder.pos_embedding"] = torch.zeros(1, 8, 24)
    with pytest.raises(ValueError, match=r"pos_embed: \[1, 8, 24\] there, \[1, 5, 24\] here"):
        transformer_encoder(write(state, tmp_path))


def test_files_of_before_batch_norm_counted(tmp_path):
    network = torchvision_resnet()
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    assert_same(resnet_encoder(write(state, tmp_path)), network)


def test_true_is_of_a_name():
    with pytest.raises(
        ValueError, match=r"pretrained=true stands for timm's weights .* Sequential"
    ):
        Encoder(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()), pretrained=True)


def test_a_checkpoint_does_not_need_the_file(tmp_path, lines):
    network = torchvision_resnet()
    path = write(network.state_dict(), tmp_path)
    encoder = resnet_encoder(path, image_channels=1, small_images=True, projection_dim=8)
    model = tiny_metaug(encoder=encoder.train())
    checkpoint = tmp_path / "trained.ckpt"
    fit(model).save_checkpoint(checkpoint)
    said = len(lines())
    (tmp_path / "weights.pth").unlink()
    loaded = MetAug.load_from_checkpoint(checkpoint)
    assert len(lines()) == said
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    assert loaded.hparams["encoder"]["init_args"]["pretrained"] == path
    assert loaded.encoder.pretrained


def test_a_checkpoint_does_not_need_timms_weights(tmp_path, monkeypatch):
    built, network = [], timm_resnet(num_classes=0)

    def create(name, pretrained, **arguments):
        built.append(pretrained)
        return network

    monkeypatch.setattr("timm.create_model", create)
    rebuild(constructor_config(Encoder("resnet18", pretrained=True)))
    assert built == [True, False]
