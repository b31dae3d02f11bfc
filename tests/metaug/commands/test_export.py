"""The chain: fit, export, then plain timm, onnxruntime and torch.export, from one image file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from metaug.lightning_modules import Encoder, FineTuner, LinearEvaluator, read_exported
from PIL import Image

from benchmarks.export_chain import by_metaug, by_the_card
from metaug.checkpoint_export import export_checkpoint
from metaug.cli import main
from tests.lightning_modules.tiny import fit, tiny_metaug

FIT = ["fit", "--config", "image_folder.yaml", "--config", "export.yaml", "--data.root", "photos",
       "--data.image_size=32", "--data.batch_size=8", "--data.num_workers=0",
       "--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.accelerator=cpu",
       "--trainer.enable_progress_bar=false", "--callbacks.FeatureMap=null",
       "--callbacks.KNNProbe.k=5", "--callbacks.ViewsGrid=null", "--callbacks.Report=null",
       "--callbacks.Summary.baselines=false"]  # fmt: skip
FORMATS = ["timm", "onnx", "torch_export"]
RUN = Path("runs/image_folder/version_0")


@pytest.fixture
def photos(tmp_path):
    """12 JPEGs of several shapes in two classes, one of them turned by EXIF."""
    rng = np.random.default_rng(0)
    for number in range(12):
        shape = [(60, 45), (45, 64), (50, 50)][number % 3]
        y, x = np.mgrid[: shape[0], : shape[1]] / 50
        waves = [np.sin((3 + number) * x + c * y) * 90 + 120 for c in range(3)]
        values = np.stack(waves, axis=2) + rng.normal(0, 10, (*shape, 3))
        path = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 0 else 1
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(path, exif=exif, quality=92)
    return tmp_path / "photos"


def test_one_file_gives_the_same_features_everywhere(photos, capsys):
    assert main([*FIT, f"--callbacks.Export.formats={json.dumps(FORMATS)}"]) == 0
    files = [photos / "cat" / "00.jpg", photos / "dog" / "01.jpg"]
    images, trained = by_metaug(RUN, files)
    given = by_the_card(RUN / "export", files)
    with torch.inference_mode():
        expected, exact = trained(images), trained(given["images"])
    # torch resizes 8-bit pixels to the next of 255 levels now and then, where Pillow does not
    assert float((given["images"] - images).abs().max()) <= 1 / 255 / 0.224 + 1e-5
    torch.testing.assert_close(given["images of timm"], given["images"], rtol=1e-5, atol=1e-5)
    for name in ("timm", "onnxruntime", "torch.export"):
        assert given[name].shape == (2, 128)
        assert float((given[name] - expected).abs().max()) < 0.02 * float(expected.abs().max())
        torch.testing.assert_close(given[name], exact, rtol=1e-4, atol=1e-5)

    # the command gives the same from the checkpoint, and the dry run what would be uploaded
    words = ["export", str(RUN / "checkpoints" / "last.ckpt"), "--output", "again"]
    hub = ["--push_to_hub", "me/photos", "--dry_run", "hub", "--license", "mit"]
    assert main([*words, *hub]) == 0
    by_callback = {path.name: path.read_bytes() for path in (RUN / "export").iterdir()}
    by_command = {path.name: path.read_bytes() for path in Path("hub").iterdir()}
    assert set(by_callback) == {*by_command, "model.onnx", "model.pt2"}
    assert main(["export", str(RUN / "checkpoints" / "last.ckpt")]) == 0  # over the callback's
    assert "removed model.onnx, model.pt2 of the earlier export" in capsys.readouterr().out
    for name in ("model.safetensors", "config.json", "config.yaml", "training_curves.png"):
        assert by_command[name] == by_callback[name], name
    cards = [files["README.md"].decode() for files in (by_callback, by_command)]
    for card in cards:
        assert re.search(
            r"val/knn_top1 \(epoch 0\) \| \d+\.\d\d % \| k=\d, T=0.1, cosine, bank", card
        )
        assert "| data | ImageFolderDataModule |\n| training images | 10 |\n| classes | 2 |" in card
        assert "![training curves](training_curves.png)" in card
        assert "| contrast | OUCL |" in card
    assert "| command | `" in cards[0]
    assert "| exported by | `" in cards[1]
    assert yaml.safe_load(cards[1].split("---\n")[1])["license"] == "mit"
    backbone = read_exported("again").eval()
    with torch.inference_mode():
        assert torch.equal(backbone(images), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["no.ckpt"], "there is no checkpoint"),
        (["."], "is a folder; give a checkpoint"),
        (["no.ckpt", "--formats", "jpeg"], "invalid choice: 'jpeg'"),
        (["no.ckpt", "--dry_run", "hub"], "give both"),
        (["no.ckpt", "--format", "onnx"], "unrecognized arguments: --format onnx"),
    ],
)
def test_errors_of_the_user_are_explained(options, message, capsys):
    assert main(["export", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_checkpoint_alone_says_what_is_not_known(tmp_path, capsys):
    """Of a run in Python, without a config: the network is known, its images are not."""
    module = tiny_metaug(
        encoder=Encoder("test_resnet", small_images=True, image_channels=1, projection_dim=8)
    )
    trainer = fit(module, max_steps=1)
    trainer.save_checkpoint("alone.ckpt", weights_only=False)
    folder = export_checkpoint("alone.ckpt", "out")
    assert "--config FILE gives the config of the run" in capsys.readouterr().out
    card = (folder / "README.md").read_text()
    assert "How images were prepared is not recorded" in card
    assert "create_transform" not in card
    assert "| data |" not in card
    with pytest.raises(ValueError, match=r"no config says: .*--image_size PIXELS"):
        export_checkpoint("alone.ckpt", "out", formats=["torch_export"])
    export_checkpoint("alone.ckpt", "out", formats=["torch_export"], image_size=16)
    assert "`[N, 1, 16, 16]`" in (folder / "README.md").read_text()
    export_checkpoint("alone.ckpt", "out")
    trained = module.encoder.backbone.state_dict()
    for name, value in read_exported(folder).state_dict().items():
        assert torch.equal(trained[name], value)


def test_a_card_says_what_trained_the_backbone(tmp_path):
    """Fine-tuning has labels; a linear evaluation trains no backbone at all."""
    encoder = Encoder("test_resnet", small_images=True, image_channels=1, projection_dim=8)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    for module in (FineTuner(encoder, num_classes=2), LinearEvaluator(encoder, num_classes=2)):
        trainer.strategy.connect(module)
        trainer.save_checkpoint(f"{type(module).__name__}.ckpt", weights_only=False)
    card = (export_checkpoint("FineTuner.ckpt", "out") / "README.md").read_text()
    assert "classifier, trained by FineTuner" in card
    assert "| module | FineTuner |" in card
    assert "self-supervised" not in card
    assert "Of all of" not in card
    with pytest.raises(ValueError, match="export the checkpoint that it evaluated"):
        export_checkpoint("LinearEvaluator.ckpt", "out")
