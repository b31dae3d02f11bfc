import pytest

from metaug.settings.list_entries import Change, change_callbacks, change_loggers, take_changes


def entries():
    return [
        {"class_path": "m.KNNProbe", "init_args": {"k": 5, "name": "val/near"}},
        {"class_path": "m.KNNProbe", "init_args": {"k": 9, "name": "val/far"}},
        {"class_path": "m.Map"},
        {"class_path": "m.Save", "init_args": {"top": 1}},
        {"class_path": "m.Save"},
    ]


def changed(flag, value):
    return change_callbacks(entries(), [Change(f"--callbacks.{flag}", value)])


@pytest.mark.parametrize(
    ("flag", "index", "arguments"),
    [
        ("Map.points", 2, {"points": 20}),
        ("Map.init_args.points", 2, {"points": 20}),
        ("val/far.k", 1, {"k": 20, "name": "val/far"}),
        ("KNNProbe.0.k", 0, {"k": 20, "name": "val/near"}),
        ("Save.1.top", 4, {"top": 20}),
        ("Map.part.size", 2, {"part": {"size": 20}}),
        ("Save.0.top.size", 3, {"top": {"size": 20}}),
    ],
)
def test_one_entry_changes(flag, index, arguments):
    after = changed(flag, 20)
    assert after[index]["init_args"] == arguments
    assert [e for i, e in enumerate(after) if i != index] == [
        e for i, e in enumerate(entries()) if i != index
    ]


@pytest.mark.parametrize(("flag", "index"), [("Map", 2), ("val/near", 0), ("Save.1", 4)])
def test_one_entry_goes(flag, index):
    assert changed(flag, None) == [e for i, e in enumerate(entries()) if i != index]


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("KNNProbe.k", 3, "say --callbacks.val/near.k or --callbacks.val/far.k"),
        ("Save", None, r"say --callbacks.Save.0 or --callbacks.Save.1"),
        ("KNNProb.k", 3, "no callback 'KNNProb'; did you mean --callbacks.KNNProbe?"),
        ("X.k", 3, "it has KNNProbe, KNNProbe, Map"),
        ("Save.7", None, r"say --callbacks.Save.0"),
        ("Map", 3, "--callbacks.Map null drops it"),
    ],
)
def test_errors(flag, value, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        changed(flag, value)


def test_changes_are_taken_out_of_the_options():
    options = ["--a=1", "--callbacks.Map.n", "1e-3", "--callbacks.Map=None", "--trainer.logger=x"]
    others, callbacks, loggers = take_changes([*options, "--trainer.logger.save_dir=out"])
    assert others == ["--a=1", "--trainer.logger=x"]
    assert callbacks == [Change("--callbacks.Map.n", 1e-3), Change("--callbacks.Map", None)]
    assert loggers == [Change("--trainer.logger.save_dir", "out")]
    with pytest.raises(ValueError, match=r"--callbacks\.Map needs a value"):
        take_changes(["--callbacks.Map"])


def test_appended_loggers_are_the_parsers_business():
    options = ["--trainer.logger+=CSVLogger", "--trainer.logger.save_dir=out"]
    assert take_changes(options) == (options, [], [])


def test_loggers_that_have_the_argument():
    loggers = [
        {"class_path": "pytorch_lightning.loggers.CSVLogger", "init_args": {"save_dir": "runs"}},
        {"class_path": "pytorch_lightning.loggers.TensorBoardLogger"},
    ]
    change_loggers(loggers, [Change("--trainer.logger.init_args.save_dir", "out")])
    assert [logger["init_args"] for logger in loggers] == [{"save_dir": "out"}] * 2
    change_loggers(loggers, [Change("--trainer.logger.log_graph", True)])
    assert "log_graph" not in loggers[0]["init_args"]
    with pytest.raises(ValueError, match=r"did you mean --trainer\.logger\.save_dir\?"):
        change_loggers(loggers, [Change("--trainer.logger.save_dirs", "out")])
