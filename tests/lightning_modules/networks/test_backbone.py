"""Backbones: timm by name, stems for small images, modules of one's own."""

import pytest
import timm
import torch
from metaug.lightning_modules import Encoder
from metaug.lightning_modules.networks.backbone import feature_size, timm_backbone
from torch import nn


def resolution_before_pooling(model: nn.Module, size: int = 32) -> int:
    return model.eval().forward_features(torch.zeros(1, 3, size, size)).shape[-1]


def test_cifar_stem_of_a_resnet():
    """3x3 stem of stride 1 and no pooling: three strided stages leave 32 / 8."""
    arguments = {"layers": [1, 1, 1, 1], "channels": [4, 4, 8, 8]}
    small = timm_backbone("resnet18", small_images=True, **arguments)
    assert small.conv1.kernel_size == (3, 3)
    assert small.conv1.stride == (1, 1)
    assert isinstance(small.maxpool, nn.Identity)
    assert resolution_before_pooling(small) == 4
    assert resolution_before_pooling(timm_backbone("resnet18", **arguments)) == 1


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "repvgg_a0"])
def test_other_stems_keep_twice_the_resolution(name):
    small = timm_backbone(name, small_images=True)
    plain = timm_backbone(name)
    assert resolution_before_pooling(small) == 2 * resolution_before_pooling(plain)


def test_transformers_take_small_patches():
    small = timm_backbone(
        "vit_tiny_patch16_224", small_images=True, depth=1, embed_dim=16, num_heads=2
    )
    assert small.patch_embed.num_patches == 64
    assert small(torch.zeros(2, 3, 32, 32)).shape == (2, 16)
    larger = timm_backbone(
        "vit_tiny_patch16_224", small_images=True, img_size=16, depth=1, embed_dim=16, num_heads=2
    )
    assert larger.patch_embed.num_patches == 16


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "resnet18", "vit_tiny_patch16_224"])
def test_feature_size_is_that_of_the_output(name):
    model = timm_backbone(name, small_images=True, image_channels=1).eval()
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, feature_size(model, 1))


def test_trying_out_leaves_no_trace():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).double()
    model[1].eval()
    state = torch.get_rng_state()
    assert feature_size(model, 1) == 3
    assert torch.equal(torch.get_rng_state(), state)
    assert [each.training for each in model] == [True, False, True, True, True]
    assert model[1].num_batches_tracked == 0


def test_a_backbone_may_tell_its_size():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    with pytest.raises(
        ValueError, match=r"\[2, 1, 32, 32\] .* image_size, or give it an attribute"
    ):
        Encoder(model, image_channels=1)
    model.num_features = 5
    assert Encoder(model, image_channels=1).num_features == 5


def test_errors_of_names():
    with pytest.raises(
        ValueError, match=r"'resnet81' is not a timm model; did you mean .*resnet18"
    ):
        Encoder("resnet81")
    with pytest.raises(ValueError, match=r"'zzzz' is not a timm model; timm.list_models\(\)"):
        Encoder("zzzz")


@pytest.mark.parametrize("name", ["vgg11_bn", "mixer_s32_224"])
def test_backbones_without_a_small_variant(name, monkeypatch):
    if name == "vgg11_bn":  # large, and its size does not matter here
        model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
        monkeypatch.setattr(timm, "create_model", lambda *args, **kwargs: model)
    with pytest.raises(ValueError, match=rf"'{name}' has no variant for small images .*false"):
        timm_backbone(name, small_images=True)


def test_a_backbone_must_give_a_matrix():
    with pytest.raises(ValueError, match=r"to \[N, F\], got \(2, 2, 30, 30\); add pooling"):
        Encoder(nn.Conv2d(1, 2, 3), image_channels=1)


TINY_VIT = {"depth": 1, "embed_dim": 24}


@pytest.mark.parametrize("small_images", [False, True])
def test_transformers_take_the_size_of_the_images(small_images):
    settings = {"small_images": small_images, "image_size": 64, "image_channels": 1}
    model = timm_backbone("vit_tiny_patch16_224", **settings, **TINY_VIT)
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 24)
    assert model.patch_embed.grid_size == ((16, 16) if small_images else (4, 4))


def test_a_size_changes_nothing_for_networks_of_any_size():
    torch.manual_seed(0)
    plain = timm_backbone("resnet10t").state_dict()
    torch.manual_seed(0)
    sized = timm_backbone("resnet10t", image_size=64).state_dict()
    assert plain.keys() == sized.keys()
    assert all(map(torch.equal, plain.values(), sized.values()))


@pytest.mark.parametrize("small_images", [False, True])
def test_arguments_of_another_model_are_named(small_images):
    with pytest.raises(ValueError, match=r"does not take backbone_args .*set backbone_args to"):
        timm_backbone("vit_tiny_patch16_224", small_images=small_images, layers=[1, 1, 1, 1])


@pytest.mark.parametrize(
    "name", ["features_only", "num_classes", "in_chans", "pretrained", "small_images"]
)
def test_arguments_that_have_no_place(name):
    with pytest.raises(ValueError, match=f"backbone_args may not hold '{name}': "):
        Encoder("resnet10t", backbone_args={name: 1})


def test_weights_out_of_reach_are_an_error_in_a_line(monkeypatch):
    def refuse(*args, **settings):
        raise FileNotFoundError("we cannot find the requested files in the local cache.\nmore")

    monkeypatch.setattr("timm.create_model", refuse)
    with pytest.raises(OSError, match=r"weights of backbone 'resnet10t' .*HF_HOME") as caught:
        timm_backbone("resnet10t", pretrained=True)
    assert "\n" not in str(caught.value)
