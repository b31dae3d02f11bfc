"""Every test starts from the same seed, on the CPU, and leaves no run folder in the repository.

GPUs are hidden but from `pytest -m gpu`.
"""

import os

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("MPLBACKEND", "agg")
# Lightning calls jsonargparse by names that version 5 drops; the requirement stays below 5.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

import pytest
import pytorch_lightning
import torch

torch.set_num_threads(min(2, torch.get_num_threads()))


def pytest_configure(config):
    """Hide GPUs from tests that are not of them."""
    if config.getoption("-m") != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items):
    """Leave out what needs a GPU, where none is seen."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU: pytest -m gpu"))


@pytest.fixture(autouse=True)
def _same_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytorch_lightning.seed_everything(0, verbose=False)
