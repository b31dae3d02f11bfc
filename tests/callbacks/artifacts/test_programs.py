"""ONNX and torch.export: the same features, for any number of images, or an error that helps."""

import logging
import sys
import warnings

import pytest
import torch
from metaug.callbacks import Export, export_backbone
from metaug.callbacks.artifacts import programs
from metaug.lightning_modules import Encoder
from torch import nn

from ..probing.test_probe import TRAIN, VALIDATION
from ..tiny import loader, quiet_trainer, tiny_module

ALL = ("timm", "onnx", "torch_export")


def changed_by_chance(backbone):
    """Running statistics of BatchNorm that are not those of the start."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return backbone


@pytest.mark.parametrize(
    ("encoder", "size"),
    [
        ({"backbone": "test_resnet", "small_images": True, "image_channels": 1}, 16),
        (
            {
                "backbone": "test_vit",
                "image_size": 48,
                "channels_last": True,
                "backbone_args": {"depth": 1},
            },
            48,
        ),
    ],
)
def test_programs_give_the_features_of_the_backbone(tmp_path, capfd, encoder, size):
    backbone = changed_by_chance(Encoder(**encoder).backbone).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    filters, level = list(warnings.filters), logging.getLogger("torch").level
    export_backbone(
        backbone,
        tmp_path,
        formats=ALL,
        architecture_args=backbone.timm_args,
        preprocessing={"image_size": size},
    )
    assert capfd.readouterr() == ("", "")
    assert (warnings.filters, logging.getLogger("torch").level) == (filters, level)
    assert backbone.training
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())
    program = torch.export.load(tmp_path / "model.pt2").module()
    backbone.eval()
    for count in (1, 5):
        images = torch.rand(count, encoder.get("image_channels", 3), size, size)
        with torch.inference_mode():
            features = backbone(images)
            torch.testing.assert_close(program(images), features, rtol=1e-5, atol=1e-5)
        of_onnx = programs.run_onnx(tmp_path / "model.onnx", images)
        torch.testing.assert_close(of_onnx, features, rtol=1e-4, atol=1e-5)
    card = (tmp_path / "README.md").read_text()
    assert "onnxruntime differed from torch by" in card
    assert "Opset 18" in card


class Odd(nn.Module):
    """Branches on what is in the images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        features = self.conv(images).flatten(1)
        return features if features.sum() > 0 else -features


def test_what_cannot_be_traced_is_an_error_with_a_cure(tmp_path):
    message = r"Odd cannot be written as torch_export .* Leave it out: formats \['timm', 'onnx'\]"
    with pytest.raises(ValueError, match=message):
        export_backbone(Odd(), tmp_path, formats=ALL, preprocessing={"image_size": 8})
    assert (tmp_path / "model.safetensors").is_file()  # what was written before has its card
    assert "torch.export" not in (tmp_path / "README.md").read_text()
    with pytest.raises(ValueError, match=r"written as onnx .* formats \['timm'\]"):
        export_backbone(Odd(), tmp_path, formats=["onnx"], preprocessing={"image_size": 8})


def test_the_callback_says_so_before_training(tmp_path):
    module = tiny_module()
    module.backbone = Odd()
    export = Export(formats=["torch_export"], image_size=8)
    trainer = quiet_trainer(tmp_path, callbacks=[export])
    with pytest.raises(ValueError, match="Odd cannot be written as torch_export"):
        trainer.fit(module, loader(TRAIN), loader(VALIDATION))
    assert trainer.global_step == 0


def test_other_features_than_those_of_the_backbone_are_refused(tmp_path, monkeypatch):
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    monkeypatch.setattr(programs, "_write_onnx", lambda backbone, path, shape: path.touch())
    monkeypatch.setattr(programs, "run_onnx", lambda path, x: backbone(x).detach() + 0.1)
    with pytest.raises(ValueError, match=r"onnx gives other features .* they differ by 0.1"):
        export_backbone(backbone, tmp_path, formats=["onnx"], preprocessing={"image_size": 8})
    assert not (tmp_path / "model.onnx").exists()


def test_formats_are_checked():
    with pytest.raises(ValueError, match="some of timm, onnx, torch_export, got 'onnx'"):
        Export(formats="onnx")
    with pytest.raises(ValueError, match=r"got \['jpeg'\]"):
        Export(formats=["jpeg"])
    with pytest.raises(ValueError, match="need the size of the images"):
        export_backbone(nn.Conv2d(3, 4, 3), "out", formats=["onnx"])


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    Export()
    with pytest.raises(ImportError, match=r"needs onnxscript: pip install 'metaug\[onnx\]'"):
        Export(formats=["timm", "onnx"])
