"""What is declared is what was tried."""

from pathlib import Path

import pytest

from .oldest import constraint, constraints

HERE = Path(__file__).parent


def test_constraints_are_the_lower_bounds():
    lines = (HERE / "oldest.txt").read_text().splitlines()
    assert lines == constraints(), "python -m tests.release.oldest > tests/release/oldest.txt"
    assert "torch==2.11" in lines


def test_a_requirement_without_a_lower_bound_is_refused():
    assert constraint("jsonargparse[signatures]>=4.51,<5") == "jsonargparse==4.51"
    with pytest.raises(ValueError, match="'numpy' has no lower bound"):
        constraint("numpy")
