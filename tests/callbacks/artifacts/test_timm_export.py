import json
import re

import pytest
import timm
import torch
from metaug.callbacks import export_backbone
from metaug.callbacks.artifacts.timm_export import built_with
from metaug.lightning_modules import Encoder, read_exported
from torch import nn


def run_card(folder, image, monkeypatch):
    """Execute the lines of the card that build the network, in its folder, and encode an image."""
    card = (folder / "README.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    scope = {}
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        exec(snippet.partition("\nimport torch\n")[0], scope)
    with torch.no_grad():
        return scope["model"].eval()(image)


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
    export_backbone(backbone, tmp_path, architecture_args=built_with(built))
    image = torch.rand(2, encoder.get("image_channels", 3), side, side)
    with torch.no_grad():
        assert torch.equal(run_card(tmp_path, image, monkeypatch), backbone(image))
        assert torch.equal(read_exported(tmp_path).eval()(image), backbone(image))


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
