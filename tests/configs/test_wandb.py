"""Weights & Biases by an overlay: offline, disabled, twice in one folder."""

import struct
from pathlib import Path

import wandb
import yaml
from wandb.proto import wandb_internal_pb2

from metaug.cli import main

from .test_shipped_configs import SMALL

FIT = ["fit", "--config", "digits.yaml", "--config", "wandb.yaml", *SMALL]


def records(run: Path) -> list:
    """What an offline run would send to the server: a LevelDB log of 32 KiB blocks."""
    (file,) = run.glob("*.wandb")
    data, found, parts, at = file.read_bytes(), [], b"", 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block that holds no header is padding
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            found.append(wandb_internal_pb2.Record.FromString(parts))
            parts = b""
    return found


def test_offline_twice_in_one_folder(wandb_mode):
    wandb_mode("offline")
    for seed in (1, 2):
        assert main([*FIT, f"--seed_everything={seed}"]) == 0
        wandb.finish()
    runs = sorted(Path("runs/wandb").glob("offline-run-*"))
    assert len(runs) == 2
    for seed, run in zip((1, 2), runs, strict=True):
        sent = records(run)
        config = {
            update.key or ".".join(update.nested_key): yaml.safe_load(update.value_json)
            for record in sent
            for update in (*record.config.update, *record.run.config.update)
        }
        assert config["seed_everything"] == seed
        assert config["model"]["init_args"]["meta"]["engine"] == "lookahead"
        assert "meta" not in config  # the module does not log its part again
        metrics = {
            item.key or ".".join(item.nested_key) for record in sent for item in record.history.item
        }
        assert {"train/loss", "val/knn_top1", "val/linear_top1"} <= metrics
        assert yaml.safe_load((run / "files/metaug.yaml").read_text())["seed_everything"] == seed
        assert list((run / "files/media/images").rglob("*.png"))
        own = Path("runs/metaug") / run.name.rpartition("-")[2]
        assert yaml.safe_load((own / "config.yaml").read_text())["seed_everything"] == seed
        assert (own / "checkpoints/last.ckpt").is_file()


def test_disabled(wandb_mode):
    wandb_mode("disabled")
    assert main(FIT) == 0
    assert not list(Path("runs").glob("wandb/*run-*"))
