"""Tables, files and figures of sweeps of 1, 6 and 12 parameters with invented scores."""

import csv
from pathlib import Path

import matplotlib.image
import pytest
import yaml
from optuna.trial import TrialState

from metaug.cli import main
from metaug.sweeps.folder import open_folder
from metaug.sweeps.report import WIDTH, show, write_best
from metaug.sweeps.study import Study
from metaug.sweeps.trial_values import short_names

LOG = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}
PARAMETERS = {
    "model.init_args.encoder_optimizer.lr": LOG,
    "model.init_args.meta.engine": {"values": ["lookahead", "exact", "first_order"]},
    "model.generator_optimizer.lr": LOG,
    "model.objective.augmented_weight": {"min": 0.1, "max": 2.0},
    "model.objective.margin.weight": LOG,
    "model.objective.contrast.gamma": {"values": [4.0, 8.0, 16.0]},
    "model.init_args.meta.inner_lr": LOG,
    "data.batch_size": {"values": [64, 128]},
    "model.encoder.projection_dim": {"distribution": "q_uniform", "min": 32, "max": 256, "q": 32},
    "model.objective.composition": {"values": ["unified", "substituted"]},
    "model.encoder_optimizer.weight_decay": LOG,
    "callbacks.KNNProbe.k": {"values": [5, 20]},
}
ENDS = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE]


@pytest.fixture
def swept(tmp_path):
    """A sweep of so many parameters, its five trials: done, stopped, failed, done (best), open."""

    def make(count: int):
        content = {
            "method": "random",
            "metric": {"name": "val/knn_top1", "goal": "maximize"},
            "command": ["metaug", "fit", "--config", "digits.yaml", "${args}"],
            "parameters": dict(list(PARAMETERS.items())[:count]),
        }
        folder = open_folder(tmp_path / "mine", content, ["--trainer.max_epochs", "3"], 0)
        study = Study(folder.sweep, folder.path, 0)
        for number in range(5):
            study.propose()
            study.report(number, [0.5, 0.6 + number / 100])
            if number < len(ENDS):
                value = 0.6 + number / 100 if ENDS[number] == TrialState.COMPLETE else None
                notes = {"error": "no memory"} if ENDS[number] == TrialState.FAIL else {}
                study.end(number, ENDS[number], value=value, epochs=2, **notes)
        return folder, study

    return make


@pytest.mark.parametrize("count", [1, 6, 12])
def test_table_and_figure_fit(count, swept, capsys, monkeypatch):
    folder, study = swept(count)
    monkeypatch.setenv("COLUMNS", "60")
    show(folder, study, figure=False)
    shown = capsys.readouterr().out.split("trial 2 failed")[0]
    assert max(map(len, shown.splitlines())) <= 60
    monkeypatch.setenv("COLUMNS", "200")
    show(folder, study)
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if not line.startswith(("train with it", "written to"))]
    assert max(map(len, table)) <= WIDTH
    rows = [line.split() for line in table if line.split() and line.split()[-1] in
            ("done", "stopped", "failed", "open")]  # fmt: skip
    assert [row[0] for row in rows] == ["3", "0", "1", "4", "2"]
    assert "trial 2 failed: no memory" in lines
    assert any(line.startswith("best: trial 3, 0.63 by ") for line in lines)
    height, width, _ = matplotlib.image.imread(folder.path / "sweep.png").shape
    assert 450 < width < 2000
    assert 300 < height < 1200


def test_files_hold_what_was_found(swept, monkeypatch, tmp_path, capsys):
    folder, study = swept(12)
    show(folder, study, figure=False)
    with (folder.path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done", "stopped", "failed", "done", "open"]
    best = rows[3]
    assert (best["val/knn_top1"], best["epochs"]) == ("0.63", "2")
    assert set(PARAMETERS) <= set(best)
    command = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("train with"))
    words = command.partition("metaug ")[2].split()
    assert words[:5] == ["fit", "--config", "digits.yaml", "--trainer.max_epochs", "3"]
    assert words[5:] == [f"--callbacks.KNNProbe.k={best['callbacks.KNNProbe.k']}",
                         "--config", str(Path("mine", "best.yaml"))]  # fmt: skip
    with pytest.raises(SystemExit):
        main([*words, "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    model = printed["model"]["init_args"]
    for name in ("encoder_optimizer.lr", "meta.engine"):
        first, last = name.split(".")
        assert str(model[first][last]) == best[f"model.init_args.{name}"]
    assert (
        str(model["encoder"]["init_args"]["projection_dim"]) == best["model.encoder.projection_dim"]
    )


def test_the_best_class_holds_what_is_set_of_it(tmp_path, capsys):
    """Whichever of the two comes first in the file."""
    contrast = "model.objective.contrast"
    content = {
        "method": "grid",
        "metric": {"name": "val/knn_top1", "goal": "maximize"},
        "command": ["metaug", "fit", "--config", "digits.yaml", "${args}"],
        "parameters": {f"{contrast}.gamma": {"values": [3.5]}, contrast: {"values": ["OUCL"]}},
    }
    folder = open_folder(tmp_path / "mine", content, [], 0)
    study = Study(folder.sweep, folder.path, 0)
    study.end(study.propose(), TrialState.COMPLETE, value=0.5)
    with pytest.raises(SystemExit):
        main([*write_best(folder, study)[1:], "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["objective"]
    found = printed["init_args"]["contrast"]
    assert found["class_path"].endswith(".OUCL")
    assert found["init_args"]["gamma"] == 3.5


def test_short_names_tell_apart():
    names = [
        "model.init_args.encoder_optimizer.lr",
        "model.generator_optimizer.lr",
        "a.b.k",
        "c.b.k",
    ]
    names += ["model.meta.engine", "seed_everything"]
    assert list(short_names(names).values()) == [
        *("encoder.lr", "generator.lr", "a.b.k", "c.b.k"),
        *("engine", "seed_everything"),
    ]
