import json
import re

import pytest
import timm
import torch
from metaug.callbacks import Export, KNNProbe, LinearProbe, export_backbone
from metaug.lightning_modules import Encoder
from metaug.lightning_modules.networks.exported_backbone import read_exported
from torch import nn

from .probing.test_probe import fit, probes
from .test_with_metaug import fit as fit_metaug


def run_card(folder, image):
    """Execute the card's own Python, in its folder, and encode an image."""
    card = (folder / "README.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    scope = {}
    exec(snippet.replace("model.safetensors", str(folder / "model.safetensors")), scope)
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
        ({"backbone": "resnet10t", "small_images": True}, 32),  # a stem of several layers
        ({"backbone": "convnext_atto", "small_images": True}, 32),  # a numbered stem, stem[0]
        ({"backbone": "fastvit_t8", "small_images": True}, 32),  # and of branches
    ],
)
def test_the_cards_own_code_rebuilds_the_backbone(tmp_path, encoder, side):
    from metaug.callbacks.export import built_with

    built = nn.Module()
    built.encoder = Encoder(**encoder)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
    backbone = built.encoder.backbone.eval()
    export_backbone(backbone, tmp_path, architecture_args=built_with(built))
    image = torch.rand(2, encoder.get("image_channels", 3), side, side)
    with torch.no_grad():
        assert torch.equal(run_card(tmp_path, image), backbone(image))
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


def test_the_callback_writes_weights_and_card_with_scores(tmp_path):
    export = Export()
    _, module = fit_metaug(tmp_path, [KNNProbe(k=5), LinearProbe(), export])
    folder = tmp_path / "lightning_logs" / "version_0" / "export"
    assert export.written == [folder / "model.safetensors"]
    card = (folder / "README.md").read_text()
    assert re.search(r"val/knn_top1 \(epoch 1\) \| \d+\.\d\d %", card)
    assert "DigitsDataModule" in card
    from safetensors.torch import load_file

    saved = load_file(export.written[0])
    for name, value in module.encoder.backbone.state_dict().items():
        assert torch.equal(saved[name], value)


def test_a_foreign_modules_backbone_is_found(tmp_path):
    export = Export()
    fit(tmp_path, [*probes(), export])
    assert export.written == [tmp_path / "export" / "model.safetensors"]
    assert "build your own module" in (tmp_path / "export" / "README.md").read_text()


def test_no_backbone_is_an_error_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"no submodule 'trunk'.*backbone, head"):
        fit(tmp_path, [Export(backbone="trunk")])
