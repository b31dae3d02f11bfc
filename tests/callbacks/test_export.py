import json
import re

import pytest
import timm
import torch
from metaug.callbacks import Export, KNNProbe, LinearProbe, export_backbone
from metaug.callbacks.artifacts.preprocessing import preprocessing_of
from metaug.datamodules import DatasetDataModule
from PIL import Image

from .probing.test_probe import TRAIN, VALIDATION, fit, probes
from .test_with_metaug import fit as fit_metaug
from .tiny import loader, quiet_trainer, tiny_module


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
    export = Export(backbone="backbone")
    fit(tmp_path, [*probes(), export])
    assert export.written == [tmp_path / "export" / "model.safetensors"]
    card = (tmp_path / "export" / "README.md").read_text()
    assert "build your own module" in card
    assert "without labels" not in card  # nobody knows how this module was trained
    assert "Of all of ValidatedModule, of which this backbone is `backbone`" in card


def test_no_backbone_is_an_error_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"no part 'trunk'; it has backbone, head"):
        fit(tmp_path, [Export(backbone="trunk")])


def test_another_timm_model_is_an_error_before_training(tmp_path):
    trainer = quiet_trainer(tmp_path, callbacks=[Export(architecture="resnet18")])
    with pytest.raises(ValueError, match=r"not timm's 'resnet18' with .*architecture_args="):
        trainer.fit(tiny_module(), loader(TRAIN), loader(VALIDATION))
    assert trainer.global_step == 0


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 20)])
def test_timm_resolves_the_preprocessing_of_training(channels, size, tmp_path):
    """From the exported folder alone, and its transform gives what the data module gives."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        0, 256, (4, channels, size, size), dtype=torch.uint8, generator=generator
    )
    pictures = [
        Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy() if channels == 1 else
                        image.permute(1, 2, 0).numpy())
        for image in images
    ]  # fmt: skip
    data = DatasetDataModule(
        [(picture, 0) for picture in pictures], image_size=size, image_channels=channels,
        batch_size=2, mean=(0.3,) * channels, std=(0.2,) * channels,
    )  # fmt: skip
    backbone = timm.create_model("test_resnet", num_classes=0, in_chans=channels)
    export_backbone(backbone, tmp_path, preprocessing=preprocessing_of(data))
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    config = timm.data.resolve_data_config(model=model)
    assert list(config["input_size"]) == [channels, size, size]
    assert list(config["mean"]) == [0.3] * channels
    assert list(config["std"]) == [0.2] * channels
    transform = timm.data.create_transform(**config)
    expected = next(iter(data.bank_dataloader())).image
    for picture, image in zip(pictures, expected, strict=False):
        torch.testing.assert_close(transform(picture), image, rtol=1e-5, atol=1e-5)


def test_the_config_of_a_run_has_the_size_and_statistics_of_its_images(tmp_path):
    fit_metaug(tmp_path, [Export()])
    folder = tmp_path / "lightning_logs" / "version_0" / "export"
    config = json.loads((folder / "config.json").read_text())["pretrained_cfg"]
    assert config["input_size"] == [1, 16, 16]
    assert config["mean"] == [0.305]
    assert config["std"] == [0.356]
    assert config["crop_pct"] == 1.0
