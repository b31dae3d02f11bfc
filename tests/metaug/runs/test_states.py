"""The state of a run is true, whatever happened to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metaug.cli import main
from metaug.runs import read_run
from metaug.runs.status import SILENCE, Status, read_status, write_status

from .callbacks import Looks
from .conftest import SMALL, fit, with_callback

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run_copy(finished_runs, tmp_path):
    shutil.copytree(finished_runs / "version_0", tmp_path / "copy")
    return tmp_path / "copy"


def change(folder: Path, **changes) -> None:
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(status | changes))


def older(folder: Path, seconds: float) -> None:
    for file in folder.iterdir():
        os.utime(file, (time.time() - seconds,) * 2)


def test_finished(finished_runs):
    run = read_run(finished_runs / "version_0")
    assert (run.state, run.epoch, run.max_epochs, run.problems) == ("finished", 2, 2, ())
    assert run.scores == ["val/knn_top1", "val/linear_top1"]
    assert set(run.training_seconds) == {1, 2}
    assert 0 < run.training_seconds[1] < run.training_seconds[2] < run.seconds
    assert run.device == "cpu"
    assert not list(finished_runs.rglob("*.part"))


def test_running_as_it_sees_itself():
    fit(with_callback("Looks"))
    assert (Looks.seen.state, Looks.seen.epoch) == ("running", 1)
    assert list(Looks.seen.series["val/knn_top1"]) == [1]
    assert read_run("runs/digits/version_0").state == "finished"


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("SIGINT", 130, "by Ctrl-C"), ("SIGTERM", 143, "by a signal to end")],
)
def test_stopped_by_a_signal(name, code, reason):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as raised:
            fit(with_callback("Signals", name=name))
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised.value.code == code
    run = read_run("runs/digits/version_0")
    assert (run.state, run.reason, run.epoch) == ("stopped", reason, 1)


def test_failed(capsys):
    assert main(["fit", *SMALL, with_callback("Fails")]) == 2
    run = read_run("runs/digits/version_0")
    assert (run.state, run.reason, run.epoch) == ("failed", "ValueError: the second epoch", 1)


def test_killed():
    """Nothing can be written then; the process is gone."""
    command = [
        sys.executable,
        "-m",
        "metaug",
        "fit",
        *SMALL,
        with_callback("Signals", name="SIGKILL"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert process.returncode == -signal.SIGKILL, process.stderr
    run = read_run("runs/digits/version_0")
    assert (run.state, run.epoch) == ("killed", 1)
    assert run.command.startswith("python -m metaug fit --config=digits.yaml")
    assert json.loads(Path("runs/digits/version_0/status.json").read_text())["state"] == "running"


def test_trial_leaves_no_status():
    fit("--trainer.fast_dev_run=true")
    assert not list(Path().rglob("status.json"))


def test_resumed_run_has_the_epochs_before_it(finished_runs, tmp_path):
    shutil.copytree(finished_runs, tmp_path / "runs" / "digits")
    checkpoint = "runs/digits/version_1/checkpoints/last.ckpt"
    fit("--seed_everything=1", f"--ckpt_path={checkpoint}", "--trainer.max_epochs=3")
    first, run = read_run("runs/digits/version_1"), read_run("runs/digits/version_4")
    assert run.resumed_from == str(Path(checkpoint).absolute())
    assert (run.epoch, list(run.training_seconds)) == (3, [1, 2, 3])
    assert run.training_seconds[3] > run.training_seconds[2] == first.training_seconds[2]
    knn = run.series["val/knn_top1"]
    assert list(knn) == [1, 2, 3]
    assert {1: knn[1], 2: knn[2]} == first.series["val/knn_top1"]
    shutil.rmtree("runs/digits/version_1")
    alone = read_run("runs/digits/version_4")
    assert list(alone.series["val/knn_top1"]) == [3]
    assert "the run that it went on from" in alone.problems[0]


def test_process_number_that_another_process_has_now(run_copy):
    change(run_copy, state="running", pid=os.getpid(), process="1")
    assert read_run(run_copy).state == "killed"


def test_run_of_another_machine_is_believed_until_it_is_silent(run_copy):
    change(run_copy, state="running", machine="elsewhere")
    assert read_run(run_copy).state == "running"
    older(run_copy, SILENCE + 5)
    assert read_run(run_copy).state == "silent"


def test_what_a_later_version_adds_to_the_status_is_passed_over(run_copy):
    change(run_copy, mood="good")
    assert read_run(run_copy).state == "finished"


def test_status_is_read_as_it_was_written(tmp_path):
    status = Status("failed", "metaug fit", "1", 3.0, reason="KeyError: x")
    status.epochs.epoch.append(1)
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


class TestEarlierVersions:
    """Runs without a status are judged by what they logged."""

    def test_all_epochs(self, run_copy):
        (run_copy / "status.json").unlink()
        run = read_run(run_copy)
        assert (run.state, run.epoch, run.seconds_known) == ("finished", 2, False)

    def test_fewer_epochs(self, run_copy):
        (run_copy / "status.json").unlink()
        log = run_copy / "metrics.csv"
        rows = log.read_text().splitlines(keepends=True)
        log.write_text("".join(row for row in rows if not row.startswith("1,")))
        run = read_run(run_copy)
        assert (run.state, run.epoch) == ("running", 1)  # it was written just now
        older(run_copy, 3600)
        assert read_run(run_copy).state == "unfinished"

    def test_all_steps(self, run_copy):
        (run_copy / "status.json").unlink()
        config = run_copy / "config.yaml"
        text = config.read_text().replace("max_epochs: 2", "max_epochs: -1")
        config.write_text(text.replace("max_steps: -1", "max_steps: 4"))
        older(run_copy, 3600)
        run = read_run(run_copy)
        assert (run.state, run.max_epochs) == ("finished", None)
