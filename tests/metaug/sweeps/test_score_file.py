"""What a trial tells its sweep, by a real training of the toy model."""

import json

import pytest
import pytorch_lightning as pl

from metaug.sweeps.score_file import ScoreFile
from metaug.sweeps.score_lines import VARIABLE, read_lines, scores
from tests.metaug.toy import Part, ToyData, ToyModel


@pytest.mark.parametrize("limit", [{"max_epochs": 3}, {"max_epochs": -1, "max_steps": 6}])
def test_epochs_count_from_one_and_the_last_is_told(limit, tmp_path, monkeypatch):
    path = tmp_path / "scores.jsonl"
    told = {"metric": "train/loss", "scores": str(path)}
    monkeypatch.setenv(VARIABLE, json.dumps(told))
    trainer = pl.Trainer(
        **limit,
        limit_train_batches=2,
        limit_val_batches=0,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ScoreFile()],
    )
    trainer.fit(ToyModel(Part()), ToyData())
    lines = scores(read_lines(path))
    ends = [(line["epoch"], line["last"]) for line in lines]
    assert ends == [(1, False), (2, False), (3, True)]
