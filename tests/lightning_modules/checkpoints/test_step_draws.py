"""Draws follow from the seed, the part's name and the step alone."""

import copy

import numpy as np
import pytest
import torch
from metaug.lightning_modules.checkpoints.step_draws import StepDraws, onto
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.launches import Launches


def drawn(draws: StepDraws, step: int) -> list[float]:
    draws.set_step(step)
    return draws.generator().random(3).tolist()


def test_the_same_step_draws_the_same_whatever_was_drawn_before():
    draws = StepDraws(0, "noise")
    first = drawn(draws, 0)
    assert drawn(draws, 7) == drawn(StepDraws(0, "noise"), 7)
    assert drawn(draws, 0) == drawn(copy.deepcopy(draws), 0) == first
    torch.manual_seed(1)
    np.random.seed(1)
    assert drawn(draws, 0) == first


def test_other_steps_seeds_and_parts_draw_others():
    draws = {
        tuple(drawn(StepDraws(seed, name), step))
        for seed in (0, 1, 2**32 - 1)
        for name in ("noise", "extrapolation")
        for step in (0, 1, 10**6)
    }
    assert len(draws) == 18


def test_a_part_adds_nothing_to_a_checkpoint():
    assert StepDraws(3, "noise").state_dict() == {}


@pytest.mark.parametrize("values", [np.ones(3, np.float32), torch.ones(3)])
def test_a_device_is_not_waited_for(values, monkeypatch):
    assert torch.equal(onto(values, torch.device("cpu")), torch.ones(3))
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(1) or self)
    monkeypatch.setattr(torch, "as_tensor", lambda values: torch.ones(3))
    with FakeTensorMode(), Launches() as seen:
        assert onto(values, torch.device("cuda")).device.type == "cuda"
    assert seen.waits == {}
    assert pinned == [1]
