"""The study: real tiny runs, what is skipped when it goes on, and tables against arithmetic."""

import csv
import math
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from metaug.datamodules.sources.folders import ImageList, list_images
from PIL import Image
from torch.nn import functional

from benchmarks.study import inspect
from benchmarks.study.__main__ import main
from benchmarks.study.data import first_of_each
from benchmarks.study.report import at_equal_time, by_row, comparisons, label_free_ranks, table
from benchmarks.study.results import Results
from benchmarks.study.rows import HERE, Rows, build, merge
from benchmarks.study.training import Budget
from tests.configs import tiny_data

pytestmark = pytest.mark.filterwarnings("default")  # a user's run, whose warnings are not errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """8 training and 8 test images of 32 pixels in each of two classes."""
    return tiny_data.image_folder(tmp_path_factory.mktemp("images"), per_class=8, size=32)


def go(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["study", *map(str, words)])
    main()


def test_runs_are_scored_kept_and_not_repeated(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "results" / "tiny.csv"
    words = ["--data", folder, "--images-per-class", 6, "--epochs", 1, "--batch", 4]
    words += ["--seeds", 3, "--threads", 1, "--out", out]
    go(monkeypatch, *words, "--rows", "oucl", "metaug")
    first = Results(out).read()
    assert [(line["row"], line["seed"]) for line in first] == [("oucl", 3), ("metaug", 3)]
    for line in first:
        # 16 test images, so an accuracy is a multiple of 6.25 %
        assert line["knn"] % 6.25 == line["linear"] % 6.25 == 0
        assert 1 <= line["rank"] <= 16
        assert line["cpu_seconds"] > 0
        assert line["error"] == ""
        assert line["budget"]["images_per_class"] == 6
    assert first[0]["meta_gap"] != first[0]["meta_gap"]  # no generator, no gap
    assert first[1]["meta_gap"] > 0
    assert str(folder) not in out.read_text()

    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:-1]))  # as if killed in the second run
    capsys.readouterr()
    go(monkeypatch, *words, "--rows", "oucl", "metaug")
    assert "oucl" not in capsys.readouterr().out
    again = Results(out).read()
    assert len(again) == 2
    for name in ("knn", "linear", "rank", "loss", "meta_gap"):
        assert again[1][name] == first[1][name]
    finished = out.read_text()
    go(monkeypatch, *words, "--rows", "oucl", "metaug")
    assert out.read_text() == finished


def test_the_row_of_lightly_is_trained_and_scored(folder, tmp_path, monkeypatch):
    pytest.importorskip("lightly")
    out = tmp_path / "tiny.csv"
    words = ["--data", folder, "--images-per-class", 6, "--epochs", 2, "--batch", 4]
    go(monkeypatch, *words, "--seeds", 0, "--threads", 1, "--out", out, "--rows", "simclr")
    (line,) = Results(out).read()
    assert line["error"] == ""
    assert line["knn"] % 6.25 == line["linear"] % 6.25 == 0
    assert line["loss"] > 0


def test_inspection_of_a_generator_that_changes_nothing(folder, tmp_path, monkeypatch):
    content = yaml.safe_load((HERE / "rows.yaml").read_text())
    generator = {"init_args": {"radius": None}}
    still = {"use": ["adversary"], "generator": generator, "generator_optimizer": {"lr": 1e-30}}
    content["rows"]["still"] = still
    (tmp_path / "rows.yaml").write_text(yaml.safe_dump(content))
    words = ["--data", folder, "--images-per-class", 6, "--epochs", 1, "--batch", 4]
    words += ["--rows-file", tmp_path / "rows.yaml", "--out", tmp_path, "--row", "still"]
    monkeypatch.setattr(sys, "argv", ["inspect", *map(str, words)])
    inspect.main()
    page = (tmp_path / "inspect-still.md").read_text()
    found = dict(re.findall(r"^\| (.+) \| (\S+) \|$", page, re.M))
    assert float(found["cosine of feature and augmentation"]) == pytest.approx(1, abs=1e-3)
    for name in ("positive", "negative", "hardest negative"):
        # an augmented feature is the original one, so are its pairs
        assert found[f"{name}, augmented"] == found[f"{name}, original"]
    assert found["effective rank, augmented"] == found["effective rank, features"]
    assert float(found["m+ (large)"]) <= float(found["m- (large)"])
    assert float(found["lookahead error at alpha 0.001"]) >= 0
    assert (tmp_path / "inspect-still.png").stat().st_size > 10_000


def test_common_shifts():
    features = functional.normalize(torch.randn(6, 2, 5), dim=-1)
    opposed = torch.tensor([[2.0, 0, 0, 0, 0], [-2.0, 0, 0, 0, 0]])
    found = inspect.shifts(features, features + opposed)
    assert found["length of what is added"] == pytest.approx(2, rel=1e-5)
    assert found["share that all instances have in common"] == pytest.approx(1, rel=1e-5)
    assert found["cosine of two views' common shifts"] == pytest.approx(-1, rel=1e-5)
    assert found["length of the mean feature"] == pytest.approx(
        float(features.flatten(0, 1).mean(0).norm()), rel=1e-5
    )
    signs = torch.tensor([1.0, -1, 1, -1, 1, -1])[:, None, None]
    alone = inspect.shifts(features, features + signs * opposed)
    assert alone["share that all instances have in common"] == pytest.approx(0, abs=1e-5)


def test_another_setting_or_budget_is_another_run(tmp_path):
    results = Results(tmp_path / "some.csv")
    assert not results.holds(0, Budget(), {"x": 1})
    results.add("a", 0, Budget(), {"x": 1}, {"knn": 1.0})
    assert results.holds(0, Budget(), {"x": 1})
    assert not results.holds(1, Budget(), {"x": 1})
    assert not results.holds(0, Budget(), {"x": 2})
    assert not results.holds(0, Budget(epochs=5), {"x": 1})


def test_every_shipped_row_can_be_built():
    pytest.importorskip("lightly")
    rows = Rows()
    start = {}
    for name in rows.rows:
        module = build(rows.settings(name), "small", 0)
        backbone = module.encoder.backbone if hasattr(module, "encoder") else module.backbone
        start[name] = next(backbone.parameters()).detach()
    assert all(torch.equal(each, start["oucl"]) for each in start.values())
    for group in rows.groups:
        assert rows.names([group])


def test_rows_are_merged_over_parts_over_the_base(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text(
        "base: {a: {b: 1, c: 2}}\n"
        "parts: {p: {a: {c: 3, k: {class_path: X, init_args: {m: 1, n: 1}}}}}\n"
        "rows:\n"
        "  one: {use: [p], title: first, a: {b: 4, k: {init_args: {m: 2}}}}\n"
        "  two: {use: [p], a: {c: null, k: {class_path: Y}}}\n"
        "groups: {all: [one, two]}\n"
    )
    rows = Rows(path)
    expected = {"b": 4, "c": 3, "k": {"class_path": "X", "init_args": {"m": 2, "n": 1}}}
    assert rows.settings("one") == {"a": expected}
    assert rows.settings("two") == {"a": {"b": 1, "c": None, "k": {"class_path": "Y"}}}
    assert rows.title("one") == "first"
    assert rows.names(["two", "all"]) == ["two", "one"]
    with pytest.raises(ValueError, match="no row 'x'; rows: one, two; groups: all"):
        rows.names(["x"])
    assert merge({"a": 1}, {"a": None}) == {"a": None}


def test_table_is_mean_and_spread_and_paired_differences(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text("base: {}\nrows: {oucl: {a: 1}, new: {title: New, a: 2}}\n")
    results = Results(tmp_path / "r.csv")
    scores = {"oucl": [(40, 50), (44, 51)], "new": [(42, 49), (45, 52)]}
    settings = {"oucl": {"a": 1}, "new": {"a": 2}}
    for row, values in scores.items():
        for seed, (knn, linear) in enumerate(values):
            found = {"knn": float(knn), "linear": float(linear), "rank": 5.0, "cpu_seconds": 9.0}
            results.add(row, seed, Budget(), settings[row], found)
    results.add("new", 2, Budget(), settings["new"], {"error": "diverged"})
    results.add("new", 3, Budget(), {"old": 1}, {"knn": 99.0})  # settings that are no longer so
    rows = Rows(path)
    lines = table(by_row(results.read(), rows), rows)
    assert lines[2] == "| oucl | 2 | 42.00 ± 2.83 | 50.50 ± 0.71 |  |  |  | 5.0 |  | 9 |"
    assert lines[3] == (
        "| New (1 failed) | 2 | 43.50 ± 2.12 | 50.50 ± 2.12 | 1.50 ± 0.71 | 0.00 ± 1.41 "
        "|  | 5.0 |  | 9 |"
    )


def test_runs_are_ranked_by_the_score_without_labels():
    runs = {
        "a": [{"error": "", "infonce": n, "knn": 50 - n, "linear": 40 + n} for n in range(4)],
        "b": [
            {"error": "", "infonce": 9.0, "knn": 1.0, "linear": 0.0},
            {"error": "", "infonce": math.nan, "knn": 99.0, "linear": 99.0},
            {"error": "diverged", "infonce": 0.0, "knn": 0.0, "linear": 0.0},
        ],
    }
    line, _ = label_free_ranks(runs)
    # ranks of linear are 2 3 4 5 1 for 1 2 3 4 5: 1 - 6 * (1 + 1 + 1 + 1 + 16) / (5 * 24)
    assert line.endswith("over 5 runs: knn -1.00, linear 0.00.")
    assert label_free_ranks({"a": runs["a"]}) == []


def test_report_writes_a_page_and_a_figure(tmp_path, monkeypatch):
    rows = Rows()
    out = tmp_path / "r.csv"
    for seed in (0, 1):
        scores = {"knn": 40.0 + seed, "linear": 50.0, "rank": 5.0, "cpu_seconds": 9.0}
        Results(out).add("oucl", seed, Budget(), rows.settings("oucl"), scores)
    go(monkeypatch, "--report", "--out", out, "--figures", tmp_path / "figures")
    assert "40.50 ± 0.71" in out.with_suffix(".md").read_text()
    (figure,) = (tmp_path / "figures").iterdir()  # no attraction was measured
    assert figure.name == "study_r-20.png"
    scores |= {"attraction_ratio": 0.75}
    Results(out).add("metaug", 0, Budget(), rows.settings("metaug"), scores)
    go(monkeypatch, "--report", "--out", out, "--figures", tmp_path / "figures")
    assert "| 0.75 | 5.0 |" in out.with_suffix(".md").read_text()
    for name in ("study_r-20.png", "study_r-20-attraction.png"):
        with Image.open(tmp_path / "figures" / name) as image:
            assert min(image.size) > 100


def test_equal_time_is_few_epochs_of_the_slow_row_and_many_of_others(tmp_path):
    rows = Rows()
    results = Results(tmp_path / "r.csv")
    for row, epochs, knn in (("metaug", 10, 41.0), ("oucl", 10, 38.0), ("oucl", 14, 40.0)):
        results.add(row, 0, Budget(epochs=epochs), rows.settings(row), {"knn": knn})
    ((epochs, runs),) = at_equal_time(results.read(), rows).items()
    assert epochs == (10, 14)
    assert {name: lines[0]["knn"] for name, lines in runs.items()} == {"metaug": 41.0, "oucl": 40.0}


def test_an_older_file_keeps_its_columns(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("row,seed,knn,budget,settings\na,0,1.0,{},{}\n")
    Results(path).add("b", 1, Budget(), {}, {"knn": 2.0, "attraction_ratio": 0.5})
    first, second = Results(path).read()
    assert (first["row"], first["knn"], second["row"], second["knn"]) == ("a", 1.0, "b", 2.0)
    assert math.isnan(second["attraction_ratio"])


def test_rows_are_compared_seed_by_seed():
    rows = Rows()
    rows.compared = [["metaug", "infonce"], ["metaug_exact", "metaug"]]
    knn = {"infonce": {0: 40.0, 1: 50.0}, "metaug": {1: 54.0, 0: 42.0, 2: 90.0}}
    runs = {
        name: [{"seed": s, "knn": v, "linear": 1.0, "error": ""} for s, v in scores.items()]
        for name, scores in knn.items()
    }
    runs["metaug"].append({"seed": 3, "knn": math.nan, "linear": math.nan, "error": "failed"})
    assert comparisons(runs, rows)[2:] == [
        "| MetAug, engine lookahead − InfoNCE, T = 0.2 | 2 | 3.00 ± 1.41 | 0.00 ± 0.00 |"
    ]


def test_first_images_of_every_class(folder):
    images = list_images(folder / "train")
    chosen = first_of_each(images, 3)
    assert [Path(path).name for path in chosen.paths] == ["0.png", "1.png", "2.png"] * 2
    assert chosen.targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(first_of_each(images, 0).paths) == 16
    mixed = ImageList(list("abcd"), torch.tensor([1, 0, 1, 0]), ["x", "y"])
    assert first_of_each(mixed, 1).paths == ["a", "b"]


def test_a_folder_without_test_images(tmp_path, monkeypatch):
    (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold train/ and test/"):
        go(monkeypatch, "--data", tmp_path, "--rows", "oucl", "--out", tmp_path / "x.csv")


def test_the_results_file_is_plain_csv(tmp_path):
    results = Results(tmp_path / "r.csv")
    for seed in range(2):
        results.add("a", seed, Budget(), {"x": {"y": [1, "z,"]}}, {"knn": 1.23456})
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert rows[0]["knn"] == "1.2346"
    assert results.read()[0]["settings"] == {"x": {"y": [1, "z,"]}}
