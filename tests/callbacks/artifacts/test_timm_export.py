import json
import re

import numpy as np
import pytest
import timm
import torch
import torchvision
from metaug.callbacks import export_backbone
from metaug.callbacks.artifacts.timm_export import built_with
from metaug.lightning_modules import Encoder, read_exported
from PIL import Image
from torch import nn


def run_card(folder, monkeypatch, model=None):
    """Execute the blocks of the card for timm in its folder, where `photo.jpg` lies.

    Args:
        model: The module of the user's own that the card asks for.
    """
    card = (folder / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    snippet = blocks[0] + "".join(block for block in blocks if "create_transform" in block)
    assert ("model = ..." in snippet) == (model is not None)
    scope = {"theirs": model}
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        exec(snippet.replace("model = ...", "model = theirs"), scope)
    return scope


def photo(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg")


@pytest.mark.parametrize(
    ("encoder", "side"),
    [
        ({"backbone": "resnet18"}, 64),
        ({"backbone": "resnet18", "small_images": True}, 32),
        ({"backbone": "mobilenetv3_small_050", "small_images": True, "image_channels": 1}, 32),
        (
            {
                "backbone": "resnet18",
                "small_images": True,
                "image_channels": 1,
                "backbone_args": {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]},
            },
            16,
        ),
        ({"backbone": "vit_tiny_patch16_224", "small_images": True}, 32),
        ({"backbone": "vit_tiny_patch16_224", "small_images": True, "image_channels": 1}, 32),
        ({"backbone": "test_vit", "small_images": True, "image_size": 64}, 64),
        ({"backbone": "test_vit", "image_size": 64}, 64),
        ({"backbone": "resnet18", "image_size": 64}, 64),
        ({"backbone": "resnet10t", "small_images": True}, 32),  # a stem of several layers
        ({"backbone": "convnext_atto", "small_images": True}, 32),  # a numbered stem, stem[0]
        ({"backbone": "fastvit_t8", "small_images": True}, 32),  # and of branches
    ],
)
def test_the_cards_own_code_rebuilds_the_backbone(tmp_path, monkeypatch, encoder, side):
    built = nn.Module()
    built.encoder = Encoder(**encoder)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
    backbone = built.encoder.backbone.eval()
    channels = encoder.get("image_channels", 3)
    known = {"image_size": side, "mean": (0.4,) * channels, "std": (0.3,) * channels}
    arguments = built_with(built)
    export_backbone(backbone, tmp_path, architecture_args=arguments, preprocessing=known)
    photo(tmp_path)
    card = run_card(tmp_path, monkeypatch)
    with torch.inference_mode():
        image = card["transform"](card["image"])[None]
        assert image.shape == (1, channels, side, side)
        assert torch.equal(card["features"], backbone(image))
        assert torch.equal(read_exported(tmp_path).eval()(image), backbone(image))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torchvision.models.resnet18(),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU()),
    ],
    ids=["torchvision", "MLP"],
)
def test_a_module_of_the_users_own_is_loaded_by_the_card(tmp_path, monkeypatch, make):
    backbone = make().eval()
    export_backbone(backbone, tmp_path, architecture="", preprocessing={"image_size": 8})
    images = torch.rand(2, 3, 8, 8)
    with torch.inference_mode():
        expected = backbone(images)
        assert torch.equal(run_card(tmp_path, monkeypatch, make())["model"](images), expected)
        assert torch.equal(read_exported(tmp_path, make()).eval()(images), expected)
    with pytest.raises(ValueError, match=r"does not fit Linear .*export the backbone again"):
        read_exported(tmp_path, nn.Linear(2, 3))


def test_plain_timm_says_where_the_lines_of_another_stem_are(tmp_path):
    """Of some stems the weights have the same shapes, so that timm would load them in silence."""
    export_backbone(Encoder("mobilenetv3_small_050", small_images=True).backbone, tmp_path)
    with pytest.raises(RuntimeError, match=r"mobilenetv3_small_050 with another stem.*README.md"):
        timm.create_model(f"local-dir:{tmp_path}", pretrained=True)


def test_plain_timm_loads_the_file_strictly(tmp_path):
    backbone = timm.create_model("resnet18", num_classes=0).eval()
    path = export_backbone(backbone, tmp_path)
    loaded = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path)).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(image), backbone(image))
    assert json.loads((tmp_path / "config.json").read_text())["architecture"] == "resnet18"


def test_another_form_is_an_error_with_a_cure(tmp_path):
    backbone = timm.create_model("resnet18", num_classes=0, layers=[1, 1, 1, 1])
    with pytest.raises(ValueError, match="architecture_args="):
        export_backbone(backbone, tmp_path)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "test_vit"])
def test_timm_loads_the_folder_of_an_unchanged_stem(tmp_path, name):
    arguments = {"in_chans": 1}
    backbone = timm.create_model(name, num_classes=0, **arguments).eval()
    export_backbone(backbone, tmp_path, architecture_args=arguments)
    loaded = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    image = torch.rand(1, 1, *backbone.pretrained_cfg["input_size"][1:])  # 160 pixels of test_vit
    with torch.no_grad():
        assert torch.equal(loaded(image), backbone(image))
        assert torch.equal(read_exported(tmp_path).eval()(image), backbone(image))


def test_the_config_says_small_images_where_the_stem_is_changed(tmp_path):
    for small in (False, True):
        backbone = Encoder("resnet18", small_images=small, image_channels=2).backbone
        export_backbone(backbone, tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["small_images"] == small
        assert config["model_args"] == {"in_chans": 2}
        assert "stem" not in config


def test_a_stem_of_the_users_own_is_refused_or_written_as_weights_alone(tmp_path):
    backbone = timm.create_model("resnet18", num_classes=0)
    backbone.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=2, bias=False)  # as many weights
    with pytest.raises(ValueError, match=r"\['conv1'\] differ. Give .* or architecture=''"):
        export_backbone(backbone, tmp_path)
    export_backbone(backbone, tmp_path, architecture="")
    assert "build your own module" in (tmp_path / "README.md").read_text()
    with pytest.raises(ValueError, match="architecture None, which timm does not know"):
        read_exported(tmp_path)
    assert read_exported(tmp_path, backbone) is backbone
