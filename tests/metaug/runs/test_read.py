"""Folders that are broken, half written or of something else are named, and break nothing."""

import shutil
from pathlib import Path

import pytest

from metaug.runs import read_run, read_runs

BROKEN_LOGS = {
    "cut in a row": (lambda text: text[:-9], "1 broken row(s)"),
    "cut in the head": (lambda text: text[:3], "no columns"),
    "empty": (lambda text: "", "is empty"),
    "zeros at the end": (lambda text: text + "\0" * 100 + "\n", "1 broken row(s)"),
    "words for numbers": (lambda text: text + "x,y\n", "1 broken row(s)"),
    "bytes of another encoding": (lambda text: text + "\udcff\n", "1 broken row(s)"),
}


@pytest.fixture
def copies(finished_runs, tmp_path):
    """`runs/version_0` and `runs/version_1`."""
    for number in (0, 1):
        name = f"version_{number}"
        shutil.copytree(finished_runs / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


@pytest.mark.parametrize("kind", BROKEN_LOGS)
def test_broken_log(copies, kind):
    breaks, problem = BROKEN_LOGS[kind]
    whole = read_run(copies / "version_0")
    log = copies / "version_0" / "metrics.csv"
    log.write_bytes(breaks(log.read_text()).encode(errors="surrogateescape"))
    run = read_run(copies / "version_0")
    assert problem in run.problems[0]
    assert run.state == "finished"
    assert set(run.series) <= set(whole.series)


def test_no_log(copies):
    (copies / "version_0" / "metrics.csv").unlink()
    run = read_run(copies / "version_0")
    assert (run.problems, run.scores, run.epoch) == (("no metrics.csv",), [], 2)


def test_infinite_values_are_no_scores(copies):
    log = copies / "version_0" / "metrics.csv"
    head = log.read_text().splitlines()[0].split(",")
    row = dict.fromkeys(head, "") | {"epoch": "2", "step": "9", "val/knn_top1": "nan"}
    log.write_text(log.read_text() + ",".join(row.values()) + "\n")
    run = read_run(copies / "version_0")
    assert list(run.series["val/knn_top1"]) == [1, 2, 3]
    assert run.last("val/knn_top1") == run.series["val/knn_top1"][2]


def test_broken_status(copies):
    (copies / "version_0" / "status.json").write_text('{"state": "runn')
    run = read_run(copies / "version_0")
    assert run.state == "finished"
    assert "status.json cannot be read" in run.problems[0]
    (copies / "version_0" / "status.json").write_text("[]")
    assert "status.json cannot be read" in read_run(copies / "version_0").problems[0]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, "no config.yaml"),
        ("trainer: [", "config.yaml cannot be read"),
        ("epochs:\n  value: 3\n", "has no `trainer` and `model`"),
        ("- a\n- b\n", "has no `trainer` and `model`"),
    ],
)
def test_foreign_folders_are_named(copies, config, reason):
    file = copies / "version_0" / "config.yaml"
    file.unlink()
    if config is not None:
        file.write_text(config)
    runs, unreadable = read_runs([copies])
    assert [run.folder.name for run in runs] == ["version_1"]
    assert reason in unreadable[copies / "version_0"]


def test_each_run_is_read_once(copies, monkeypatch):
    monkeypatch.chdir(copies.parent)
    runs, unreadable = read_runs(["runs", "runs/version_*", copies / "version_1"])
    assert [run.folder.name for run in runs] == ["version_0", "version_1"]
    assert not unreadable


def test_no_such_folder():
    with pytest.raises(FileNotFoundError, match="no folder 'nowhere'"):
        read_runs(["nowhere"])


def test_config_of_several_parts_is_read_as_a_whole(copies):
    """It is parsed by parts; those of other runs are remembered."""
    import yaml

    from metaug.runs.settings import settings_of

    text = (copies / "version_1" / "config.yaml").read_text()
    assert read_run(copies / "version_1").settings == settings_of(yaml.safe_load(text))
    assert read_run(copies / "version_0").settings["seed_everything"] == 0
    assert Path(copies / "version_1").is_dir()
