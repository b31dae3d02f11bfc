"""`metaug sweep` with real trials of the toy model, killed and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metaug.cli import main
from tests.metaug.toy import DATA, MODEL

from .conftest import COMMAND

ROOT = Path(__file__).parents[3]
PARAMETERS = {
    "model.rate.lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 0.3},
    "model.part.init_args.size": {"values": [2, 3]},
    "seed_everything": {"value": 1},
}
FIT = ["--model", MODEL, "--model.part", f"{MODEL.rpartition('.')[0]}.Part", "--data", DATA]
OPTIONS = ["--trainer.max_epochs=20", "--trainer.accelerator=cpu", "--trainer.logger=false",
           "--trainer.enable_progress_bar=false",
           "--trainer.callbacks+=tests.metaug.sweeps.slow.Slow",
           "--trainer.callbacks+=metaug.callbacks.Checkpoint", "--trainer.callbacks.save_last=true",
           "--trainer.callbacks.save_on_exception=true"]  # fmt: skip


def words_of(sweep_file, count):
    command = [*COMMAND[:-1], *FIT, "--config", "wandb.yaml", "${args}"]
    metric = {"name": "train/loss", "goal": "minimize"}
    path = sweep_file("toy.yaml", parameters=PARAMETERS, command=command, metric=metric)
    return ["sweep", "--config", str(path), "--count", str(count), "--parallel", "2", *OPTIONS]


def steps(trial: Path) -> list[int]:
    file = trial / "scores.jsonl"
    lines = [json.loads(x) for x in file.read_text().splitlines() if x] if file.is_file() else []
    return [line["step"] for line in lines if "value" in line]


def test_a_killed_sweep_goes_on_to_so_many_in_all(sweep_file, tmp_path, capsys, monkeypatch):
    words = words_of(sweep_file, count=2)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    sweep = subprocess.Popen([sys.executable, "-m", "metaug", *words], start_new_session=True)
    folder = tmp_path / "sweeps" / "toy"
    trials = [folder / "trials" / name for name in ("000", "001")]
    end = time.monotonic() + 120
    while not all(len(steps(trial)) > 1 for trial in trials):
        assert time.monotonic() < end
        assert sweep.poll() is None
        time.sleep(0.05)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    note = json.loads((trials[0] / "attempt_1.json").read_text())
    os.killpg(note["trial"][0], signal.SIGKILL)  # and one trial with it; the other one notices
    while "--ckpt_path last goes on" not in (trials[1] / "attempt_1.log").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    Path("fast").touch()

    assert main(words) == 0
    printed = capsys.readouterr().out
    for number, trial in enumerate(trials):
        assert f"trial {number} goes on from checkpoints/last.ckpt" in printed
        assert sorted(set(steps(trial))) == list(range(2, 42, 2))
        # at most the epoch between whose score and checkpoint it was killed was trained again
        assert len(steps(trial)) <= 20 + (number == 0)
        assert len(list(trial.glob("attempt_*.json"))) == 2
    assert "train/loss, 2 trials (2 done)" in printed
    assert (folder / "sweep.png").is_file()

    assert main(words) == 0  # nothing is left to do
    assert main(["sweep", "--folder", str(folder), "--count", "0"]) == 0
    assert capsys.readouterr().out.count("2 trials (2 done)") == 2
    assert main([*words, "--trainer.max_steps=9"]) == 2
    assert "holds another sweep: its options: --trainer.max_epochs=20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "3"], "needs --config FILE, or --folder"),
        (
            ["--config", "digits_bayes.yaml", "--count", "x"],
            "--count must be a whole number from 0",
        ),
        (["--config", "digits_bayes.yaml", "--parallel", "0"], "--parallel must be a whole number"),
        (["--config", "digits_bayes.yaml", "--count"], "--count needs a value"),
        (["--folder", "nowhere"], "nowhere holds no sweep; give one by --config"),
        (["--config", "digits.yaml"], "this is no sweep file"),
        (["--config", "no_sweep.yaml"], "no config file 'no_sweep.yaml'"),
    ],
)
def test_what_is_wrong_with_the_command_is_told(words, message, capsys):
    assert main(["sweep", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_a_sweep_without_a_number_of_trials_leaves_no_folder(sweep_file, capsys):
    path = sweep_file()
    assert main(["sweep", "--config", str(path)]) == 2
    assert "--count N says how many trials" in capsys.readouterr().err
    assert not Path("sweeps").exists()


def test_options_that_no_trial_would_take_are_told_before_a_folder_is_made(capsys):
    words = ["sweep", "--config", "digits_bayes.yaml", "--count=2", "--cuont=3"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "`metaug fit` refuses the trials of this sweep: " in error
    assert "cuont" in error
    assert not Path("sweeps").exists()


def test_help_and_a_missing_optuna(capsys, monkeypatch):
    assert main(["sweep", "--help"]) == 0
    assert "--parallel N" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["sweep", "--config", "digits_bayes.yaml"]) == 2
    assert "pip install 'metaug[sweep]'" in capsys.readouterr().err
