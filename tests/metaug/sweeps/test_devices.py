import pytest

from metaug.sweeps.devices import shares, visible_gpus


@pytest.mark.parametrize(
    ("variable", "gpus"),
    [("2,3", ["2", "3"]), ("GPU-8a, GPU-7b", ["GPU-8a", "GPU-7b"]), ("", []), ("0,-1,1", ["0"])],
)
def test_gpus_are_those_that_are_visible(variable, gpus):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": variable}) == gpus


def test_without_the_variable_the_driver_is_asked():
    assert visible_gpus({}) == []  # here there are none


@pytest.mark.parametrize(
    ("parallel", "gpus", "expected"),
    [
        (2, ["4", "6"], ["4", "6"]),
        (3, ["0", "1", "2", "3", "4", "5", "6", "7"], ["0,1", "2,3,4", "5,6,7"]),
        (4, ["0", "1"], ["0", "1", "0", "1"]),
        (3, ["5"], ["5", "5", "5"]),
    ],
)
def test_gpus_are_dealt_out(parallel, gpus, expected):
    assert [s["CUDA_VISIBLE_DEVICES"] for s in shares(parallel, gpus)] == expected


def test_threads_are_divided_where_nobody_said_how_many(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert shares(3, [], cores=8) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert shares(4, [], cores=2) == [{"OMP_NUM_THREADS": "1"}] * 4
    assert shares(1, ["0", "1"]) == [{}]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert shares(2, [], cores=8) == [{}] * 2
