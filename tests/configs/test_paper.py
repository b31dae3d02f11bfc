"""The paper's own setting, narrow and on a few small images; test_shipped_configs parses it."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

from metaug.cli import main
from metaug.shipped_configs import shipped_configs

from . import tiny_data

PAPER = [name for name in shipped_configs() if name.startswith("paper/")]
NARROW = [
    "--model.init_args.encoder.init_args.width=0.03125",
    "--data.init_args.image_size=64",
    "--data.init_args.batch_size=16",
    "--data.init_args.num_workers=0",
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.limit_val_batches=1",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
]


def setting(name: str) -> dict:
    return yaml.safe_load(shipped_configs()[name].read_text())


def test_all_data_sets_share_the_setting():
    first, *others = (setting(name)["model"] for name in PAPER)
    assert others
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", PAPER)
def test_is_what_the_paper_says(name):
    config = setting(name)
    model = config["model"]["init_args"]
    objective = model["objective"]["init_args"]
    optimizer = model["encoder_optimizer"]
    data = config["data"]["init_args"]
    assert model["encoder"]["class_path"].endswith("AlexNetSplit")
    assert model["encoder"]["init_args"]["channels"] == [[0], [1, 2], [0, 1, 2]]
    assert data["views"]["init_args"]["channels"] == [[0], [1, 2], [0, 1, 2]]
    assert data["views"]["init_args"]["space"] == "lab"
    assert (data["image_size"], data["batch_size"]) == (224, 64)
    assert model["memory_bank"]["init_args"]["num_negatives"] == 1024
    assert objective["composition"] == "substituted"
    assert objective["augmented_weight"] == 1e-5
    assert objective["margin"]["init_args"]["weight"] == 1e-11
    assert model["meta"]["inner_lr"] == 1e-3
    assert (optimizer["lr"], optimizer["milestones"]) == (0.03, [120, 160, 200])
    assert config["trainer"]["max_epochs"] == 300


@pytest.fixture
def data_of(tmp_path, monkeypatch):
    def root(name: str) -> Path:
        if "cifar10" in name:
            return tiny_data.cifar(tmp_path / "data", monkeypatch)
        return tiny_data.image_folder(tmp_path / "data", size=70)

    return root


@pytest.mark.parametrize("name", PAPER)
def test_trains_and_probes(name, data_of, capsys):
    data = f"--data.init_args.root={data_of(name)}"
    assert main(["fit", "--config", name, data, *NARROW]) == 0
    (run,) = Path("runs").glob("*/version_0")
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for logged in ("train/loss", "train/margin", "train/meta_gap", "val/linear_top1"):
        assert any(row[logged] for row in rows), logged
    assert "(augmented, penalty=1" in capsys.readouterr().out
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    entries = checkpoint["state_dict"]["memory_bank.entries"]
    assert entries.shape[1:] == (3, 128)
    assert checkpoint["global_step"] == 2

    # one checkpoint, probed at another layer
    layer = "--model.init_args.encoder.init_args.layer=fc7"
    again = ["--config", name, data, *NARROW, layer, "--ckpt_path=last"]
    assert main(["test", *again]) == 0
    assert "test/linear_top1" in capsys.readouterr().out
