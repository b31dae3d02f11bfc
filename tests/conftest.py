"""Every test starts from the same seed, on the CPU, and leaves no run folder in the repository."""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("MPLBACKEND", "agg")
# Lightning calls jsonargparse by names that version 5 drops; the requirement stays below 5.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

import pytest
import pytorch_lightning
import torch

torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(autouse=True)
def _same_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytorch_lightning.seed_everything(0, verbose=False)
