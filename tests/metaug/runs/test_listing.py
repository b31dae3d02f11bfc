"""`metaug runs`."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metaug.cli import main
from metaug.runs import read_run


@pytest.fixture
def runs(finished_runs, tmp_path):
    shutil.copytree(finished_runs, tmp_path / "runs" / "digits")
    return tmp_path / "runs"


def listed(capsys, monkeypatch, *options, width=80):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["runs", *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_the_terminal(runs, capsys, monkeypatch, width):
    said = listed(capsys, monkeypatch, width=width)
    lines = said.splitlines()
    assert 60 < max(map(len, lines)) <= width
    for number in range(4):
        line = next(line for line in lines if line.startswith(f"digits/version_{number}"))
        assert "2/2" in line
        assert "finished" in line
        run = read_run(runs / "digits" / f"version_{number}")
        for name in run.scores:
            assert f"{100 * run.last(name):.2f}" in line
    assert "generator=AugmentationGenerator" in said
    assert "temperature" not in said  # it follows from InfoNCE
    assert lines[-1].startswith("4 runs: 4 finished")


def test_a_narrow_terminal_has_fewer_digits_and_scores(runs, capsys, monkeypatch):
    knn = read_run(runs / "digits" / "version_0").last("val/knn_top1")
    for file in runs.rglob("status.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 12.0}))
    said = listed(capsys, monkeypatch, width=74)
    assert max(map(len, said.splitlines())) <= 74
    assert f" {100 * knn:.1f} " in said
    assert "linear" in said
    said = listed(capsys, monkeypatch, width=66)
    assert max(map(len, said.splitlines())) <= 66
    assert "linear" not in said


def test_long_paths_are_shortened(finished_runs, capsys, monkeypatch):
    said = listed(capsys, monkeypatch, *(str(path) for path in finished_runs.iterdir()))
    assert max(map(len, said.splitlines())) <= 80
    assert "digits/version_3" in said


def test_only_what_differs_is_named(runs, capsys, monkeypatch):
    said = listed(capsys, monkeypatch, "runs/digits/version_[01]")
    assert "seed=1" in said
    assert "generator" not in said
    assert "data.seed" not in said  # it follows from seed_everything


def test_sorted_and_filtered(runs, capsys, monkeypatch):
    said = listed(capsys, monkeypatch, "--sort", "knn", "--filter=generator=none")
    names = [line.split()[0] for line in said.splitlines() if line.startswith("digits/")]
    assert set(names) == {"digits/version_2", "digits/version_3"}
    scores = [read_run(runs / name).last("val/knn_top1") for name in names]
    assert scores == sorted(scores, reverse=True)
    assert "seed=0" in listed(capsys, monkeypatch, "--filter", "data=digits", "--sort=train/loss")
    none = listed(capsys, monkeypatch, "--filter", "state=failed")
    assert none.splitlines()[-1] == "0 runs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--filter", "generatr=none"], "no setting is called 'generatr'"),
        (["--filter", "lr=0.1"], "several settings are called 'lr'"),
        (["--filter", "seed"], "give KEY=VALUE"),
        (["--filter", "state=finishd"], "a state is one of finished, running"),
        (["--sort", "val/knn_top"], "did you mean 'val/knn_top1'"),
        (["--sorted", "kNN"], "unrecognized arguments"),
        (["elsewhere"], "no folder 'elsewhere'"),
    ],
)
def test_wrong_options_are_explained(runs, capsys, options, message):
    assert main(["runs", *options]) == 2
    assert message in capsys.readouterr().err


def test_folder_without_runs(capsys, tmp_path):
    (tmp_path / "runs").mkdir()
    assert main(["runs"]) == 2
    assert "there is no run in runs" in capsys.readouterr().err


def test_unreadable_folders_are_named(runs, capsys, monkeypatch):
    (runs / "digits" / "version_0" / "config.yaml").unlink()
    (runs / "digits" / "version_1" / "metrics.csv").write_text("")
    said = listed(capsys, monkeypatch)
    assert "not listed: digits/version_0: no config.yaml" in said
    assert "note: metrics.csv is empty" in said


def test_csv_has_all_scores_and_settings_that_differ(runs, capsys, monkeypatch):
    listed(capsys, monkeypatch, "--csv", "tables/table.csv")
    with Path("tables/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["generator"] for row in rows] == ["AugmentationGenerator"] * 2 + ["none"] * 2
    assert [row["seed"] for row in rows] == ["0", "1", "0", "1"]
    assert [row["contrast.temperature"] for row in rows] == ["", "", "0.2", "0.2"]
    run = read_run(runs / "digits" / "version_3")
    assert float(rows[3]["val/knn_top1 last"]) == run.last("val/knn_top1")
    assert float(rows[3]["val/linear_top1 best"]) == run.best("val/linear_top1")
    assert rows[0]["command"] == run.command


def test_torch_is_not_imported(runs):
    code = (
        "import sys; from metaug.cli import main; main(['runs']); "
        "print({'torch', 'numpy'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.endswith("set()\n")
