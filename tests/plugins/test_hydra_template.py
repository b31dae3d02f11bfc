"""The layout of lightning-hydra-template: a multirun with and without `_convert_: all`."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from metaug.lightning_modules import MetAug

pytest.importorskip("hydra", reason="pip install '.[plugins]'")
# not importorskip: lightning must not be imported beside pytorch_lightning in this process
pytestmark = pytest.mark.skipif(find_spec("lightning") is None, reason="pip install '.[plugins]'")

TRAIN = Path(__file__).parents[2] / "examples" / "hydra_template" / "src" / "train.py"
SETTINGS = ["+model._convert_=none,all", "experiment=exact", "trainer.limit_train_batches=2"]
QUICK = ["data.labels_per_class=2", "callbacks.model_summary=null", "hydra.sweep.dir=sweep"]


def pickled(checkpoint: Path) -> bytes:
    """What a checkpoint holds besides tensors' values."""
    with ZipFile(checkpoint) as archive:
        return b"".join(archive.read(name) for name in archive.namelist() if ".pkl" in name)


def test_multirun_with_and_without_converted_containers(tmp_path):
    command = [sys.executable, str(TRAIN), "--multirun", *SETTINGS, *QUICK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("test/knn_top1: 0.") == 2
    models = []
    for run in (tmp_path / "sweep" / "0", tmp_path / "sweep" / "1"):
        path = run / "checkpoints" / "last.ckpt"
        assert b"omegaconf" not in pickled(path)
        assert b"hydra" not in pickled(path)
        models.append(MetAug.load_from_checkpoint(path, map_location="cpu"))
        config = json.loads((run / "csv/version_0/export/config.json").read_text())
        assert config["model_args"]["channels"] == [8, 16, 32, 64]
    none, converted = models
    assert none.hparams == converted.hparams
    assert none.meta.engine == "exact"
    assert none.encoder_optimizer.milestones == [8, 9]
    state = converted.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in none.state_dict().items())
