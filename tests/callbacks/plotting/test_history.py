from itertools import pairwise

import torch
from metaug.callbacks.plotting.history import History


def test_a_long_series_stays_bounded_and_even():
    history = History(limit=100)
    for step in range(10_000):
        history.add("loss", step, torch.tensor(2.0 * step))
    steps, values = history.points("loss")
    assert 50 <= len(steps) <= 101
    assert steps[0] == 0
    assert len({b - a for a, b in pairwise(steps)}) == 1
    assert values == [2.0 * step for step in steps]


def test_a_loaded_history_goes_on_alike():
    straight, first = History(limit=10), History(limit=10)
    for step in range(37):
        straight.add("a", step, float(step))
        first.add("a", step, float(step))
    second = History(limit=10)
    second.load_state_dict(first.state_dict())
    for step in range(37, 90):
        straight.add("a", step, float(step))
        second.add("a", step, float(step))
    assert straight.points("a") == second.points("a")


def test_a_recorded_tensor_does_not_change_later():
    history, value = History(), torch.tensor(1.0)
    history.add("a", 0, value)
    value += 1
    assert history.points("a")[1] == [1.0]
