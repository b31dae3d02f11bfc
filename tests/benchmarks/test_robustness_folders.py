"""One folder of every odd kind; `python -m benchmarks.robustness.folders` tries more of each."""

import pytest

from benchmarks.robustness.folders import KINDS, try_kind


@pytest.mark.parametrize("name", KINDS)
def test_right_or_one_short_error(name):
    assert try_kind(name, seed=1).startswith(("right", "refused"))


def test_there_are_forty_kinds_or_more():
    assert len(KINDS) >= 40
