import json
import os
import subprocess
import sys

import pytest

from metaug.sweeps.attempts import FRESH, claim, last_attempt, seconds, state

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
CLAIM = """
import sys, pathlib
from metaug.sweeps.attempts import claim
attempt = claim(pathlib.Path(sys.argv[1]))
attempt.note(int(sys.argv[2]))
"""


@pytest.fixture
def process():
    started = subprocess.Popen(SLEEP)
    yield started
    started.kill()
    started.wait()


def claimed_by_another(folder, process):
    """Claimed by a sweep that has ended since, with a trial's process."""
    words = [sys.executable, "-c", CLAIM, str(folder), str(process.pid)]
    subprocess.run(words, check=True)


def test_a_trial_is_of_who_claims_it(tmp_path):
    folder = tmp_path / "000"
    assert state(folder) == "free"
    attempt = claim(folder)
    assert (state(folder), attempt.number, last_attempt(folder)) == ("taken", 1, 1)
    assert attempt.refresh()
    claim(folder)  # as another sweep does, once this one was held up
    attempt._beat = 0.0
    os.utime(attempt.path)
    attempt._beat = -1e9
    assert not attempt.refresh()
    assert [path.name for path in folder.parent.iterdir()] == ["000"]  # nothing is left behind


def test_a_dead_sweep_leaves_its_trial_when_that_has_ended_too(tmp_path, process):
    folder = tmp_path / "000"
    claimed_by_another(folder, process)
    assert state(folder) == "ending"
    process.kill()
    process.wait()
    assert state(folder) == "free"


def test_a_later_process_of_the_same_number_is_told_apart(tmp_path, process):
    folder = tmp_path / "000"
    claimed_by_another(folder, process)
    path = folder / "attempt_1.json"
    note = json.loads(path.read_text())
    note["trial"][1] = "0"
    path.write_text(json.dumps(note))
    assert state(folder) == "free"


def test_another_machine_is_believed_as_long_as_it_writes(tmp_path):
    folder = tmp_path / "000"
    path = claim(folder).path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": "elsewhere"}))
    assert state(folder) == "taken"
    began = path.stat().st_mtime
    os.utime(path, (began - FRESH - 1, began - FRESH - 1))
    assert state(folder) == "free"


def test_time_is_that_of_all_attempts(tmp_path):
    for duration in (5, 7):
        path = claim(tmp_path).path
        began = json.loads(path.read_text())["began"]
        os.utime(path, (began + duration, began + duration))
    assert seconds(tmp_path) == pytest.approx(12)
