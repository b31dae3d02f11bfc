"""`metaug statistics`, and a data set of many channels from there to plain timm."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import timm
import torch
import yaml
from metaug.lightning_modules import MetAug

from metaug.cli import main

FOLDER = ["--data", "ImageFolderDataModule", "--data.root", "bands"]
FIT = ["fit", "--config", "image_folder.yaml", "--config", "export.yaml", "--data.root", "bands",
       "--config", "bands/metaug_statistics.yaml", "--trainer.max_epochs=1", "--data.batch_size=8",
       "--data.num_workers=0", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
       "--model.encoder.small_images=false", "--callbacks.FeatureMap=null",
       "--callbacks.KNNProbe.k=5", "--callbacks.Summary.baselines=false"]  # fmt: skip


@pytest.fixture
def bands(tmp_path):
    """30 images of 5 channels and 16 bits in `bands/`, and all pixels of them `[N, 5, 32, 32]`."""
    rng = np.random.default_rng(0)
    levels = {"field": np.linspace(3000, 50000, 5), "water": np.linspace(50000, 3000, 5)}
    images = []
    for name, level in levels.items():
        for number in range(15):
            values = (level + rng.normal(0, 3000, (32, 32, 5))).clip(0, 65535).astype(np.uint16)
            path = tmp_path / "bands" / name / f"{number:02d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
            images.append(values.transpose(2, 0, 1) / 65535)
    return np.stack(images)


def written(path="bands/metaug_statistics.yaml"):
    return yaml.safe_load(Path(path).read_text())["data"]["init_args"]


def test_the_file_holds_the_statistics_of_the_training_images(bands, capsys):
    options = [*FOLDER, "--data.image_channels=5", "--data.val_fraction=0"]
    assert main(["statistics", *options]) == 0
    said = capsys.readouterr().out
    assert "30 training images of ImageFolderDataModule, as read" in said
    assert f"1       {bands[:, 0].mean():>10.6f}{bands[:, 0].std():>10.6f}" in said
    found = written()
    assert found["image_channels"] == 5
    np.testing.assert_allclose(found["mean"], bands.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(found["std"], bands.std((0, 2, 3)), rtol=1e-6)
    # a second time, with what it left beside the data, resized or not, to another file
    assert main(["statistics", *options, "--data.in_memory=true", "--output=mine.yaml"]) == 0
    assert written("mine.yaml") == found


def test_configs_are_taken_of_which_the_data_count(bands):
    config = {"data": {"class_path": "ImageFolderDataModule", "init_args": {"root": "bands"}},
              "model": {"class_path": "Nothing"}, "unknown": 1}  # fmt: skip
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    numbers = ["--data.image_channels=5", "--data.val_fraction=0.5"]
    assert main(["statistics", "--config", "mine.yaml", *numbers]) == 0
    held_out = written()
    assert main(["statistics", "--config", "mine.yaml", *numbers, "--data.seed=1"]) == 0
    assert written()["mean"] != held_out["mean"]  # of other training images


def test_values_of_another_range_are_told_once(bands):
    options = [*FOLDER, "--data.image_channels=5", "--data.value_range=[0,32767]"]
    assert main(["statistics", *options]) == 0
    assert written()["value_range"] == [0.0, 32767.0]


def test_a_constant_channel_is_said_and_does_no_harm(bands, capsys):
    values = tifffile.imread("bands/field/00.tif")
    values[..., 2] = 7
    Path("flat/a").mkdir(parents=True)
    for number in range(4):
        np.save(f"flat/a/{number}.npy", values)
    options = ["--data", "ImageFolderDataModule", "--data.root=flat", "--data.image_channels=5"]
    with pytest.warns(UserWarning, match=r"channel\(s\) \[3\] hold one value"):
        assert main(["statistics", *options, "--data.val_fraction=0"]) == 0
    assert written("flat/metaug_statistics.yaml")["std"][2] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*FOLDER, "--data.image_channels=4"], "it has 5 channel(s), but image_channels is 4"),
        ([*FOLDER, "--data.rot=x"], "rot"),
        (["--data.root=bands"], "give it as --data ImageFolderDataModule, or --config"),
        (["--data", "ImageFolderDataModule", "--data.root=none"], "folder none does not exist"),
    ],
)
def test_errors_are_explained(bands, options, message, capsys):
    assert main(["statistics", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_help(capsys):
    assert main(["statistics", "--help"]) == 0
    assert "metaug statistics --data" in capsys.readouterr().out
    assert main(["statistics"]) == 2


@pytest.mark.filterwarnings("default")
def test_from_statistics_over_training_to_plain_timm(bands, capsys):
    assert main(["statistics", *FOLDER, "--data.image_channels=5"]) == 0
    assert main(FIT) == 0
    assert "images 5 x 32 x 32" in capsys.readouterr().out
    folder = "runs/image_folder/version_0"

    model = timm.create_model(f"local-dir:{folder}/export", pretrained=True).eval()
    config = timm.data.resolve_data_config(model=model)
    assert tuple(config["input_size"]) == (5, 32, 32)
    assert list(config["mean"]) == written()["mean"]
    assert list(config["std"]) == written()["std"]
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    images = (torch.from_numpy(bands).float() - mean) / std

    trained = MetAug.load_from_checkpoint(f"{folder}/checkpoints/last.ckpt").eval()
    with torch.no_grad():
        torch.testing.assert_close(model(images), trained(images), rtol=0, atol=0)
