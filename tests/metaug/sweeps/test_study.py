from pathlib import Path

import pytest
from optuna.trial import TrialState

from metaug.sweeps.study import JOURNAL, Study
from metaug.sweeps.sweep_file import check_sweep

from .conftest import content

TWO = {"x": {"min": 0.0, "max": 1.0}, "size": {"values": [8, 16, 32]}}
GRID = {"a": {"values": [1, 2, 3]}, "b": {"values": ["p", "q"]}}


def study(folder: Path, seed=0, **changes) -> Study:
    return Study(check_sweep(content(**changes)), folder, seed)


def score_of(samples):
    return samples["x"] + samples["size"] / 100


def run(folder: Path, stops: tuple[int, ...], **changes) -> list[dict]:
    """Ten trials, by a process that begins anew before some of them."""
    now = study(folder, parameters=TWO, **changes)
    for number in range(10):
        if number in stops:
            now = study(folder, parameters=TWO, **changes)
        assert now.propose() == number
        samples = now.again(number)
        now.end(number, TrialState.COMPLETE, value=score_of(samples))
    return [trial.params for trial in now.trials()]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_resumed_sweep_proposes_what_it_would_have(method, tmp_path):
    for name in ("whole", "resumed", "other"):
        (tmp_path / name).mkdir()
    whole = run(tmp_path / "whole", (), method=method)
    assert run(tmp_path / "resumed", (2, 7), method=method) == whole
    assert len({params["x"] for params in whole}) == 10
    assert run(tmp_path / "other", (), method=method, seed=1) != whole


def test_bayes_learns_and_random_does_not(tmp_path):
    means = {}
    for method in ("bayes", "random"):
        (tmp_path / method).mkdir()
        now = study(tmp_path / method, method=method, parameters=TWO)
        for number in range(30):
            now.propose()
            now.end(number, TrialState.COMPLETE, value=score_of(now.again(number)))
        later = [trial.value for trial in now.trials()[15:]]
        means[method] = sum(later) / len(later)
    assert means["bayes"] > means["random"] + 0.15


def test_a_grid_has_each_point_once_whoever_goes_on(tmp_path):
    one = study(tmp_path, method="grid", parameters=GRID)
    two = study(tmp_path, method="grid", parameters=GRID)
    points = []
    for number in range(6):
        now = (one, two)[number % 2]
        assert now.propose() == number  # both see the same trials
        points.append(tuple(now.again(number).values()))
        if number != 3:  # killed: it stays open
            now.end(number, TrialState.FAIL if number == 2 else TrialState.COMPLETE, value=None
                    if number == 2 else 1.0)  # fmt: skip
    assert sorted(points) == [(a, b) for a in (1, 2, 3) for b in ("p", "q")]
    three = study(tmp_path, method="grid", parameters=GRID)
    assert three.trials()[3].state == TrialState.RUNNING
    assert tuple(three.again(3).values()) == points[3]
    three.end(3, TrialState.COMPLETE, value=2.0)
    assert three.best().number == 3


def test_a_trial_whose_sweep_was_killed_while_it_proposed_is_completed(tmp_path):
    now = study(tmp_path, parameters=TWO)
    now._study.ask()
    again = study(tmp_path, parameters=TWO)
    assert set(again.again(0)) == {"x", "size"}
    assert again.again(0) == again.again(0)


def test_a_journal_that_was_cut_off_is_mended(tmp_path):
    study(tmp_path).propose()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code":5,"worker')
    now = study(tmp_path)
    assert now.propose() == 1
    assert [len(trial.params) for trial in study(tmp_path).trials()] == [1, 1]


STOPS = [
    ({"type": "hyperband", "min_iter": 2, "eta": 2}, 2),
    ({"type": "hyperband", "max_iter": 8, "s": 2, "eta": 2}, 2),
    ({"type": "median", "min_iter": 3}, 3),
]


@pytest.mark.parametrize(("early_terminate", "first"), STOPS, ids=["min", "max", "median"])
def test_poor_trials_are_stopped_and_good_ones_go_on(early_terminate, first, tmp_path):
    now = study(tmp_path, early_terminate=early_terminate)
    for number in range(4):
        now.propose()
        assert not now.report(number, [0.5 + number / 10] * 5)
        now.end(number, TrialState.COMPLETE, value=0.5 + number / 10)
    now.propose()
    poor = [0.1] * 5
    assert not now.report(4, poor[: first - 1])
    assert now.report(4, poor[:first])
    assert now.trials()[4].user_attrs["pruned"]  # remembered before it ends
    now.end(4, TrialState.PRUNED)
    assert now.trials()[4].value == 0.1
    now.propose()
    assert not now.report(5, [0.9] * 5)
    now.propose()
    assert not now.report(6, poor, at_end=True)
    assert now.best().number == 3  # of those that are complete
