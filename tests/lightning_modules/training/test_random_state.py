"""The random state survives a weights-only file."""

import random

import numpy as np
import torch
from metaug.lightning_modules.training.random_state import (
    collect_random_state,
    restore_random_state,
)


def draw() -> list:
    return [
        torch.rand(2).tolist(),
        np.random.rand(),
        np.random.randn(),
        random.random(),
        random.gauss(0, 1),
    ]


def test_round_trip_through_a_weights_only_file(tmp_path):
    draw()  # gauss and randn each keep a second number for later
    torch.save(collect_random_state(), tmp_path / "state.pt")
    expected = draw()
    draw()
    restore_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draw() == expected
