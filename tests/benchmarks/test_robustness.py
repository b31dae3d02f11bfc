"""A small sample of odd command lines; `benchmarks.robustness.command_line` tries more."""

import pytest

from benchmarks.robustness.command_line import Input, attempt, report, try_all

pytestmark = pytest.mark.filterwarnings("default")  # a user's run, whose warnings are not errors


@pytest.mark.timeout(300)
def test_odd_command_lines_are_refused_or_make_sense():
    results = try_all(30, seed=3)
    wrong = [(given, outcome, said) for given, outcome, said, _ in results if outcome not in RIGHT]
    assert not wrong
    assert "| all | 30 |" in report(results, "command")


RIGHT = ("refused", "ran")


def test_what_is_wrong_is_told_from_what_is_right(tmp_path, monkeypatch):
    def outcome(number, *odd, senseless=False, main=None):
        place = tmp_path / str(number)
        place.mkdir()
        with monkeypatch.context() as patched:
            if main is not None:
                patched.setattr("benchmarks.robustness.command_line.metaug", main)
            return attempt(Input("kind", "digits.yaml", odd, senseless), place)[0]

    assert outcome(0, "--trainer.max_epoch=1") == "refused"
    assert outcome(1, main=lambda command: 1 / 0) == "traceback"
    assert outcome(2, senseless=True, main=lambda command: 0) == "senseless"

    def leaves(command):
        (tmp_path / "3/runs/version_0").mkdir(parents=True)
        return 2

    assert outcome(3, main=leaves) == "left behind"
