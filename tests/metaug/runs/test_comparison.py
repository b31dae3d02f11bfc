"""`metaug compare`: numbers against numpy, groups, cautions, and the page."""

import csv
import json
import re
import shutil
from pathlib import Path

import markupsafe
import numpy as np
import pytest
import yaml

from metaug.cli import main
from metaug.runs import compare
from metaug.runs.page import render
from metaug.runs.scores import score_rows


@pytest.fixture
def runs(finished_runs, tmp_path):
    shutil.copytree(finished_runs, tmp_path / "runs")
    return tmp_path / "runs"


def logged(folder: Path, name: str) -> np.ndarray:
    """The values of a column, by epochs `[epochs, values of an epoch]`."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [(int(row["epoch"]), float(row[name])) for row in csv.DictReader(file) if row[name]]
    return np.array([[value for at, value in rows if at == epoch] for epoch in (0, 1)])


def edit(folder: Path, change) -> None:
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config))


def test_means_and_deviations_are_numpys(runs):
    comparison = compare([runs])
    assert [len(group.runs) for group in comparison.groups] == [2, 2]
    for group, numbers in zip(comparison.groups, ((0, 1), (2, 3)), strict=True):
        folders = [runs / f"version_{number}" for number in numbers]
        assert [run.folder for run in group.runs] == folders
        for name in ("val/knn_top1", "val/linear_top1", "train/loss"):
            values = np.stack(
                [logged(folder, name).mean(1) for folder in folders]
            )  # [runs, epochs]
            curve = group.curve(name)
            assert list(curve) == [1, 2]
            np.testing.assert_allclose([curve[e].mean for e in curve], values.mean(0), rtol=1e-12)
            deviations = [curve[epoch].deviation for epoch in curve]
            np.testing.assert_allclose(deviations, values.std(0, ddof=1), rtol=1e-9)
            best = group.best(name)
            np.testing.assert_allclose(best.mean, values.max(1).mean(), rtol=1e-12)
            np.testing.assert_allclose(best.deviation, values.max(1).std(ddof=1), rtol=1e-9)


def test_trials_of_a_sweep_are_told_apart_by_their_folders(runs, tmp_path):
    trials = [tmp_path / name / "runs" / "digits" / "version_0" for name in ("000", "001")]
    for trial in trials:
        shutil.copytree(runs / "version_0", trial)
    names = [run.name for run in compare(trials).runs]
    assert names == ["000/runs/digits/version_0", "001/runs/digits/version_0"]
    assert compare([runs]).runs[0].name.count("/") == 1


def test_a_run_and_what_went_on_from_it_count_once(runs):
    file = runs / "version_1" / "status.json"
    status = json.loads(file.read_text())
    status["resumed_from"] = str(runs / "version_0" / "checkpoints" / "last.ckpt")
    file.write_text(json.dumps(status))
    comparison = compare([runs])
    assert [len(group.runs) for group in comparison.groups] == [1, 2]
    reason = comparison.unreadable[runs / "version_0"]
    assert reason == "runs/version_1 went on from it, and holds its epochs"
    with pytest.raises(ValueError, match=r"found runs/version_1\n.*went on"):
        compare([runs / "version_0", runs / "version_1"])


def test_what_follows_from_another_component_is_no_difference(runs):
    comparison = compare([runs])
    assert comparison.differing == {
        "contrast": ["OUCL", "InfoNCE"],
        "objective.margin": ["MarginRegularization", "none"],
        "generator": ["AugmentationGenerator", "none"],
    }
    assert comparison.groups[1].label == "contrast=InfoNCE, objective.margin=none, generator=none"
    assert comparison.alike["trainer.max_epochs"] == "2"
    assert "model.objective.contrast.gamma" not in comparison.alike
    assert comparison.following["gamma"] == ["8", "–"]
    assert comparison.following["contrast.temperature"] == ["–", "0.2"]
    assert not any("seed" in key for key in comparison.following)
    assert comparison.common_epoch == 2


def test_a_key_of_both_classes_is_compared(runs):
    def weigh(config):
        contrast = config["model"]["init_args"]["objective"]["init_args"]["contrast"]
        contrast["init_args"]["attraction_weight"] = 0.3

    edit(runs / "version_2", weigh)
    edit(runs / "version_3", weigh)
    assert compare([runs]).differing["attraction_weight"] == ["1", "0.3"]


def test_missing_values_are_counted(runs):
    log = runs / "version_1" / "metrics.csv"
    rows = log.read_text().splitlines(keepends=True)
    log.write_text("".join(row for row in rows if not row.startswith("1,")))
    comparison = compare([runs])
    group = comparison.groups[0]
    last = group.at("val/knn_top1", group.epoch("val/knn_top1"))
    assert (last.n, last.missing, last.deviation) == (1, 1, None)
    assert last.mean == group.runs[0].last("val/knn_top1")
    assert comparison.common_epoch == 1
    assert "aligned by epoch" in " ".join(comparison.warnings)
    head, rows = score_rows(comparison)
    assert rows[0][head.index("kNN, last")].endswith("(1 of 2)")
    assert "kNN, epoch 1" in head


def test_settings_that_only_say_where_files_go_are_no_difference(runs):
    edit(runs / "version_0", lambda config: config["trainer"].update(log_every_n_steps=9))
    comparison = compare([runs])
    assert len(comparison.groups) == 2
    assert comparison.housekeeping["log_every_n_steps"][0] == "9"


def test_cautions(runs):
    assert compare([runs]).warnings == [
        "the losses of different objectives have scales of their own: compare them within one"
    ]

    def other_data(config):
        config["data"]["class_path"] = "metaug.datamodules.CIFAR10DataModule"

    def other_probe(config):
        config["trainer"]["callbacks"][0]["init_args"]["k"] = 1

    edit(runs / "version_2", other_data)
    edit(runs / "version_2", other_probe)
    edit(runs / "version_3", lambda config: config.update(seed_everything=0, data=None))
    shutil.copytree(runs / "version_0", runs / "version_9")
    said = "\n".join(compare([runs]).warnings)
    assert "data: DigitsDataModule / CIFAR10DataModule" in said
    assert "the probes differ (KNNProbe.k)" in said
    assert "of the same seed" in said


def test_the_command_writes_a_page_that_needs_nothing_else(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (runs / "version_9").mkdir()
    (runs / "version_9" / "metrics.csv").write_text("epoch,step\n")
    assert main(["compare", "runs/version_?", "--output", "pages/digits.html"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "written: pages/digits.html" in said
    group = compare([runs]).groups[0]
    knn = group.at("val/knn_top1", 2)
    score = f"{100 * knn.mean:.2f} ± {100 * knn.deviation:.2f}"
    page = Path("pages/digits.html").read_text()
    assert score in said
    assert score in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|<script|@import""", page)
    assert page.count("data:image/svg+xml") % 2 == 0  # over epochs, over training time
    assert "left out: runs/version_9: no config.yaml" in page
    assert markupsafe.escape(group.runs[0].command) in page


def test_text_is_escaped(runs):
    edit(runs / "version_0", lambda config: config["data"]["init_args"].update(mean="<b>&"))
    page = render(compare([runs]), title="<i>")
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "<title>&lt;i&gt;</title>" in page


def test_runs_of_earlier_versions_and_without_scores_compare(runs):
    for folder in runs.iterdir():
        (folder / "status.json").unlink()
    page = render(compare([runs]))
    assert "over training time</label>" not in page
    assert "not recorded: its config" in page
    for folder in runs.iterdir():
        (folder / "metrics.csv").unlink()
    assert "no metrics.csv" in render(compare([runs]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["runs/version_0"], "at least two runs; found runs/version_0"),
        (["nowhere", "runs"], "no folder 'nowhere'"),
        (["runs", "--out=x"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_explained(runs, capsys, options, message):
    assert main(["compare", *options]) == 2
    assert message in capsys.readouterr().err


def test_what_the_docs_show_in_python_runs(finished_runs, tmp_path, capsys):
    shutil.copytree(finished_runs, tmp_path / "runs" / "digits")
    page = Path(__file__).parents[3] / "docs" / "compare_runs.md"
    (block,) = re.findall(r"^```py\n(.*?)^```", page.read_text(), re.M | re.S)
    exec(compile(block, str(page), "exec"), {})
    assert "finished 2" in capsys.readouterr().out
    assert Path("comparison.html").is_file()
