import json
import math

import pytest

from metaug.sweeps.fit_command import arguments
from metaug.sweeps.parameters import read_parameter


def parameter(**entry):
    return read_parameter("data.size", entry)


@pytest.mark.parametrize(
    ("entry", "low", "high", "log"),
    [
        ({"min": 0.1, "max": 2}, 0.1, 2, False),
        ({"distribution": "uniform", "min": 1, "max": 2}, 1, 2, False),
        ({"min": 1, "max": 2}, 1, 2, False),  # whole, as wandb takes it
        ({"distribution": "int_uniform", "min": 1, "max": 9}, 1, 9, False),
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, 1e-4, 1e-2, True),
        ({"distribution": "log_uniform", "min": -2, "max": 0}, math.exp(-2), 1, True),
        ({"distribution": "q_uniform", "min": 8, "max": 32, "q": 8}, 8, 32, False),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 64}, 1, 64, True),
    ],
)
def test_ranges_are_those_of_wandb(entry, low, high, log):
    read = parameter(**entry)
    assert (read.distribution.low, read.distribution.high) == (low, high)
    assert read.is_log == log
    whole = entry.get("distribution") in ("int_uniform", None) and type(entry["min"]) is int
    assert (type(read.distribution).__name__ == "IntDistribution") == whole


def test_values_may_be_anything_that_yaml_writes():
    read = parameter(values=[True, None, 1e-05, "exact", [1, 2], {"k": 3}])
    texts = [arguments({"a": sample}) for sample in read.grid()]
    assert texts == [["--a=true"], ["--a=null"], ["--a=1e-05"], ["--a=exact"],
                     ["--a=[1, 2]"], ['--a={"k": 3}']]  # fmt: skip
    assert json.loads(texts[-1][0].partition("=")[2]) == {"k": 3}
    assert parameter(value=[1]) == ("data.size", [1])


def test_multiples_stay_between_their_bounds():
    read = parameter(distribution="q_uniform", min=5, max=30, q=8)
    assert [read.argument(sample) for sample in (5, 11.9, 12.1, 30)] == [8, 8, 16, 24]
    assert read.grid() == [8, 16, 24]
    fraction = parameter(distribution="q_log_uniform_values", min=0.1, max=1, q=0.1)
    assert fraction.argument(0.32) == 0.3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"distribution": "normal", "mu": 0}, r"'normal' is not supported \(wandb has it.*uniform"),
        ({"values": [1, 2], "probabilities": [0.1, 0.9]}, "'categorical_w_probabilities' is not"),
        ({"distribution": "gaussian", "min": 0, "max": 1}, "'gaussian' is not supported; support"),
        ({"min": 0}, "needs `values`, `value`, or `min` and `max`"),
        ({"min": 0, "max": 1, "step": 2}, "int_uniform has no step"),
        ({"distribution": "uniform", "min": 0}, "uniform needs max"),
        ({"min": 2.0, "max": 1.0}, "min must be below max, got 2.0 and 1.0"),
        ({"min": "1e-4", "max": 1.0}, "min must be a number, got '1e-4' .YAML reads 1.0e-4"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "must be above 0, got 0"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 2}, "needs whole bounds"),
        ({"distribution": "q_uniform", "min": 1, "max": 3, "q": 4}, "no multiple of q=4"),
        ({"distribution": "q_uniform", "min": 1, "max": 3, "q": 0}, "q must be above 0"),
        ({"values": []}, "a list of at least one"),
        ({"values": [8, 16, 8]}, "values has 8 more than once"),
        ({"parameters": {"lr": {"value": 1}}}, "by its dotted name"),
    ],
)
def test_what_is_wrong_is_named(entry, message):
    with pytest.raises(ValueError, match=rf"^parameters\.data\.size.*{message}"):
        parameter(**entry)


def test_a_grid_has_an_end():
    with pytest.raises(ValueError, match="a grid has values, int_uniform or q_uniform"):
        parameter(min=0.0, max=1.0).grid()
    assert parameter(min=1, max=3).grid() == [1, 2, 3]
