import math

import numpy as np
import pytest
from metaug.lightning_modules.arguments.ranges import check_count, check_number, check_seed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 1.0, np.float32(2)])
def test_number_out_of_range(value):
    with pytest.raises(ValueError, match=f"x must be at least 0 and less than 1.*, got {value}"):
        check_number("x", value, at_least=0, below=1)


@pytest.mark.parametrize("value", [0, 0.5, np.float64(0.9), np.int64(0)])
def test_number_in_range(value):
    check_number("x", value, at_least=0, below=1)
    check_number("x", value, above=-1, at_most=1)


@pytest.mark.parametrize("value", [True, "0.5", None, [0.5]])
def test_no_number(value):
    with pytest.raises(TypeError, match="x must be a number, got"):
        check_number("x", value)


def test_bounds_are_excluded_and_included():
    with pytest.raises(ValueError, match="x must be greater than 0, got 0; null for none"):
        check_number("x", 0, above=0, hint="null for none")
    with pytest.raises(ValueError, match="x must be at most 1, got 2"):
        check_number("x", 2, at_most=1)


def test_infinity_is_named():
    with pytest.raises(ValueError, match="x must be greater than 0 and finite, got inf"):
        check_number("x", math.inf, above=0)
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        check_number("x", math.nan)


def test_counts_are_whole():
    check_count("n", np.int32(1))
    with pytest.raises(TypeError, match=r"n must be a whole number, got 1\.5"):
        check_count("n", 1.5)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        check_count("n", 0)


def test_seeds():
    check_seed(2**32 - 1)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="seed must be at least 0"):
            check_seed(seed)
