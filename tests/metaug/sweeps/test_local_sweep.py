"""The loop, with trials that start at once (`stand_in.py`); `test_command.py` has real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from metaug.sweeps.local_sweep import LocalSweep

from .conftest import content

DONE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
PROCESS = """
import json, sys
from pathlib import Path
from metaug.sweeps.folder import open_folder
from metaug.sweeps.local_sweep import LocalSweep
from metaug.sweeps.study import Study
content, options, count = json.loads(sys.argv[1])
folder = open_folder(Path("sweep"), content, options, 0)
sys.exit(LocalSweep(folder, Study(folder.sweep, folder.path, 0), [{}, {}]).run(count))
"""
ROOT = Path(__file__).parents[3]


def states(study):
    return [trial.state for trial in study.trials()]


def attempts(folder):
    return [len(list(trial.glob("attempt_*.json"))) for trial in sorted(folder.glob("trials/0*"))]


def started(options, count):
    """A sweep in a process of its own; its trials are the stand-in, which lies where they start."""
    words = [sys.executable, "-P", "-c", PROCESS, json.dumps([content(), options, count])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, env=environment, start_new_session=True)


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_so_many_in_all_two_at_once(begin, capsys):
    folder, study = begin()
    assert LocalSweep(folder, study, [{"SLOT": "a"}, {"SLOT": "b"}]).run(3) == 0
    assert states(study) == [DONE] * 3
    assert LocalSweep(*begin(), [{}]).run(4) == 0
    assert (states(study), attempts(folder.path)) == ([DONE] * 4, [1] * 4)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4
    best = study.best()
    last = f"[4/4] trial 3: val/top1 {study.trials()[3].value:.4g} after 2 epochs; best "
    assert printed[3] == f"{last}{best.value:.4g}, trial {best.number}"
    for trial in study.trials():  # each had its own setting
        assert trial.value == pytest.approx(trial.params["x"])


def test_failed_trials_are_told_and_the_sweep_goes_on(begin, capsys):
    parameters = {"fail": {"values": ["no memory", "no disk"]}, "x": {"min": 0.0, "max": 1.0}}
    folder, study = begin(parameters={"x": {"min": 0.0, "max": 1.0}})
    LocalSweep(folder, study, [{}]).run(1)
    folder, study = begin(name="other", parameters=parameters)
    with pytest.raises(
        ValueError, match=r"the first trials failed \(3\), the last one with: no (me|d)"
    ):
        LocalSweep(folder, study, [{}, {}]).run(12)
    assert states(study)[:3] == [FAILED] * 3
    assert len(study.trials()) <= 4
    assert "failed: no " in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"the first trials failed \(1\), the last one with: no"):
        LocalSweep(*begin(name="single", parameters=parameters), [{}]).run(1)


def test_a_score_that_is_never_logged_is_told_after_the_first_trial(begin):
    folder, study = begin(options=["--mute=1"])
    message = r"trial 0 never logged val/top1; it logged: train/loss, val/other"
    with pytest.raises(ValueError, match=message):
        LocalSweep(folder, study, [{}]).run(12)
    assert len(study.trials()) == 1


def test_poor_trials_are_stopped_with_a_checkpoint(begin, capsys):
    stop = {"type": "hyperband", "min_iter": 2, "eta": 2}
    grid = {"x": {"values": [0.9, 0.8, 0.7, 0.6, 0.5, 0.01]}}  # the first 3: 0.01, 0.7, 0.8
    options = ["--epochs=4", "--pause=0.3"]
    folder, study = begin(options, method="grid", early_terminate=stop, parameters=grid)
    LocalSweep(folder, study, [{}] * 3).run(6)
    stopped = [trial for trial in study.trials() if trial.state == STOPPED]
    assert stopped
    for trial in stopped:
        assert (folder.trial(trial.number) / "last.ckpt").is_file()
        assert trial.user_attrs["epochs"] < 4
    assert states(study).count(DONE) == 6 - len(stopped)
    assert "stopped early after " in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_was_interrupted_goes_on_from_its_checkpoint(number, begin):
    options = ["--epochs=4", "--pause=0.2"]
    folder, study = begin(options)
    process = started(options, 3)
    scores = [folder.trial(trial) / "scores.jsonl" for trial in (0, 1)]
    wait_for(lambda: all(path.is_file() for path in scores))
    os.killpg(process.pid, number)
    assert process.wait(20) == (-number if number == signal.SIGKILL else 128 + number)
    assert states(study) == [TrialState.RUNNING] * 2
    assert LocalSweep(*begin(options), [{}, {}]).run(3) == 0
    assert (states(study), attempts(folder.path)) == ([DONE] * 3, [2, 2, 1])
    for trial in (0, 1):
        log = (folder.trial(trial) / "attempt_2.log").read_text()
        assert int(log.split()[-1]) > 0, log  # it went on
        lines = (folder.trial(trial) / "scores.jsonl").read_text().split("\n")
        steps = [json.loads(line)["step"] for line in lines if line]
        assert steps == [1, 2, 3, 4]


def test_two_sweeps_share_a_folder(begin):
    options = ["--epochs=2", "--pause=0.5"]
    processes = [started(options, 7) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    folder, study = begin(options)
    assert (states(study), attempts(folder.path)) == ([DONE] * 7, [1] * 7)
    sweeps = {json.loads(p.read_text())["sweep"][0] for p in folder.path.rglob("attempt_1.json")}
    assert sweeps == {process.pid for process in processes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": ["--epochs=5"]}, "its options: none; those of this command: --epochs=5"),
        ({"method": "bayes"}, "its method is random, and that of this command is bayes"),
        ({"parameters": {"x": {"min": 0.0, "max": 2.0}}}, "its parameters.x.max is 1.0, and"),
        ({"seed": 3}, "its --sampler_seed: 0; those of this command: 3"),
    ],
)
def test_another_sweep_in_the_folder_is_refused(changes, message, begin):
    begin()
    begin(run_cap=4)  # which may change
    with pytest.raises(ValueError, match=f"holds another sweep: {message}"):
        begin(**changes)


def test_a_config_that_changed_is_noticed(begin, tmp_path):
    (tmp_path / "mine.yaml").write_text("trainer: {max_epochs: 3}")
    begin(["--config", "mine.yaml"])
    (tmp_path / "mine.yaml").write_text("trainer: {max_epochs: 4}")
    with pytest.raises(
        ValueError, match=r"its config mine\.yaml\.trainer\.max_epochs is 3, and th"
    ):
        begin(["--config", "mine.yaml"])
