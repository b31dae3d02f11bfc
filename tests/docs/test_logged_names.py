"""The page of logged names has every name that is logged."""

import csv
import re
from pathlib import Path

import pytest

from metaug.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logged_names.md").read_text()
NAME = re.compile(r'"((?:train|val|representation|generator|objective)/\w+)"')

pytestmark = pytest.mark.filterwarnings("default")


def test_names_in_the_code():
    sources = [
        *ROOT.glob("lightning_modules/**/*.py"),
        *ROOT.glob("callbacks/**/*.py"),
    ]
    names = {name for source in sources for name in NAME.findall(source.read_text())}
    assert {"train/loss", "val/knn_top1", "generator/cosine"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


def test_names_of_a_run():
    words = ["fit", "--config", "digits.yaml", "--config", "monitors.yaml"]
    few = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.accelerator=cpu"]
    often = ["--trainer.log_every_n_steps=1", "--model.init_args.meta.audit_every=1"]
    assert main([*words, *few, *often, "--data.init_args.batch_size=8"]) == 0
    with open("runs/digits/version_0/metrics.csv") as file:
        names = set(csv.DictReader(file).fieldnames or []) - {"epoch", "step"}
    assert {"train/lookahead_error", "representation/rank", "lr-SGD/pg1"} <= names
    assert {"val/representation_infonce", "objective/attraction_ratio"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
