"""The command line on a toy model, in this process."""

import os
from pathlib import Path

import pytest
import yaml

from metaug.cli import main

from .toy import DATA, MODEL

TOY = f"""\
model:
  class_path: {MODEL}
  init_args: {{part: {{class_path: tests.metaug.toy.Part}}}}
data: {{class_path: {DATA}}}
trainer:
  max_epochs: 1
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
  log_every_n_steps: 1
  logger:
    - class_path: CSVLogger
      init_args: {{save_dir: RUNS, name: toy}}
    - class_path: TensorBoardLogger
      init_args: {{save_dir: RUNS, name: toy}}
  callbacks:
    - class_path: ModelCheckpoint
      init_args: {{save_last: true, save_on_exception: true}}
"""
FIT = ["fit", "--config", "toy.yaml"]
PART = "--model.init_args.part"


@pytest.fixture(autouse=True)
def _toy_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # absolute, for TensorBoard writes from a thread that may outlive its test's folder
    (tmp_path / "toy.yaml").write_text(TOY.replace("RUNS", str(tmp_path / "runs")))


def files(folder: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.*")}


def test_run_writes_into_one_folder_of_its_own():
    assert main(FIT) == 0
    assert os.listdir("runs/toy") == ["version_0"]
    written = files("runs/toy/version_0")
    assert {"config.yaml", "metrics.csv", "hparams.yaml", "checkpoints/last.ckpt"} <= written
    assert any("tfevents" in file for file in written)


def test_second_run_leaves_the_first_alone():
    assert main(FIT) == 0
    first = Path("runs/toy/version_0/config.yaml")
    first.write_text("untouched")
    assert main([*FIT, "--trainer.max_epochs=2"]) == 0
    assert first.read_text() == "untouched"
    second = yaml.safe_load(Path("runs/toy/version_1/config.yaml").read_text())
    assert second["trainer"]["max_epochs"] == 2


def test_loggers_get_the_whole_nested_config_once():
    assert main([*FIT, "--model.init_args.rate.lr=0.25"]) == 0
    logged = yaml.safe_load(Path("runs/toy/version_0/hparams.yaml").read_text())
    assert logged["model"]["init_args"]["rate"] == {"lr": 0.25}
    assert "rate" not in logged


def test_saved_config_runs_again_and_evaluates():
    assert main([*FIT, "--model.init_args.part.init_args.size=5"]) == 0
    assert main(["fit", "--config", "runs/toy/version_0/config.yaml"]) == 0
    config = yaml.safe_load(Path("runs/toy/version_1/config.yaml").read_text())
    assert config["model"]["init_args"]["part"]["init_args"] == {"size": 5, "inner": None}


def test_printed_config_is_a_config(capsys):
    assert _print_config([*FIT], capsys) == _print_config(
        ["fit", "--config", "printed.yaml"], capsys
    )


def test_flags_of_print_config_are_heeded_beside_changes(capsys):
    chosen = ["--callbacks.ModelCheckpoint.every_n_epochs=2"]
    assert ": null\n" in _print_config([*FIT, *chosen], capsys)
    with pytest.raises(SystemExit):
        main([*FIT, *chosen, "--print_config=skip_null"])
    text = capsys.readouterr().out
    assert "every_n_epochs: 2\n" in text
    assert ": null\n" not in text


@pytest.mark.parametrize("null", [["=null"], ["=None"], ["", "null"]])
def test_null_reaches_a_component_in_a_component(null, capsys):
    inner = f"{PART}.init_args.inner"
    chosen = [f"{inner}=tests.metaug.toy.Part", f"{PART}.init_args.size=3"]
    config = yaml.safe_load(_print_config([*FIT, *chosen], capsys))
    assert config["model"]["init_args"]["part"]["init_args"]["inner"]["class_path"]
    config = yaml.safe_load(_print_config([*FIT, *chosen, inner + null[0], *null[1:]], capsys))
    assert config["model"]["init_args"]["part"]["init_args"] == {"size": 3, "inner": None}


def _print_config(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--print_config"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    Path("printed.yaml").write_text(text)
    return text


def test_last_takes_up_the_newest_run():
    assert main(FIT) == 0
    assert main([*FIT, "--trainer.max_epochs=2"]) == 0
    assert main([*FIT, "--trainer.max_epochs=3", "--ckpt_path=last"]) == 0
    steps = Path("runs/toy/version_2/metrics.csv").read_text().splitlines()[1:]
    assert len(steps) == 2  # one epoch of two batches follows the two that were done


def test_last_without_an_earlier_run(capsys):
    assert main([*FIT, "--ckpt_path=last"]) == 2
    assert f"no last.ckpt to take up in {Path.cwd()}/runs/toy/*/" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_failure_before_the_first_batch_leaves_nothing(capsys):
    assert (
        main([*FIT, "--trainer.callbacks+=metaug.callbacks.KNNProbe", "--trainer.callbacks.k=0"])
        == 2
    )
    assert "k=0" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_failure_after_the_loggers_were_made_leaves_nothing(capsys):
    assert main([*FIT, "--trainer.callbacks+=metaug.callbacks.Export"]) == 2
    assert "ToyModel has no part 'encoder.backbone'" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_failure_in_the_middle_leaves_a_checkpoint():
    with pytest.raises(KeyError, match="a bug"):
        main([*FIT, "--model.init_args.fail_at=1"])
    assert "config.yaml" in files("runs/toy/version_0")
    assert any(file.endswith(".ckpt") for file in files("runs/toy/version_0"))


USER_ERRORS = {
    "arguments are required: fit.data, fit.model; give a config, such as": ["fit"],
    "--trainer.max_ep=3; did you mean --trainer.max_epochs?": [*FIT, "--trainer.max_ep=3"],
    "trainer.max_epochs: Expected a int, got three": [*FIT, "--trainer.max_epochs=three"],
    "model.part: Option 'sise' is not accepted; did you mean --model.part.size?": [
        *(*FIT, f"{PART}.init_args.sise=3")
    ],
    "model.rate: Option 'rl' is not accepted; tests.metaug.toy.Rate takes lr": [
        *(*FIT, "--model.init_args.rate.rl=3")
    ],
    "did you mean tests.metaug.toy.Part?": [*FIT, f"{PART}=tests.metaug.toy.Prat"],
    "No module named 'no_such_package'": [*FIT, f"{PART}=no_such_package.Part"],
    "No supported gpu backend found": [*FIT, "--trainer.accelerator=gpu"],
    "nowhere.ckpt": [*FIT, "--ckpt_path=nowhere.ckpt"],
}


@pytest.mark.parametrize("message", USER_ERRORS)
def test_user_errors_are_short(message, capsys):
    assert main(USER_ERRORS[message]) == 2
    error = capsys.readouterr().err
    explained, how_to_trace = error.splitlines()[-2:]
    assert explained.startswith("metaug: error: ")
    assert message in explained
    assert "METAUG_TRACEBACK=1" in how_to_trace
    assert "Traceback " not in error


def test_error_in_the_middle_of_training_is_short(capsys):
    assert main([*FIT, "--trainer.callbacks+=tests.metaug.toy.Refuses"]) == 2
    assert "metaug: error: the toy refuses batch 0\n" in capsys.readouterr().err


def test_unknown_key_in_yaml(tmp_path, capsys):
    Path("wrong.yaml").write_text("trainer: {max_epoch: 3}")
    assert main([*FIT, "--config", "wrong.yaml"]) == 2
    assert "does not accept option 'trainer.max_epoch'; did you mean --trainer.max_epochs?" in (
        capsys.readouterr().err
    )


def test_bug_keeps_its_traceback():
    with pytest.raises(Exception, match="no_such_attribute"):
        main([*FIT, "--model.init_args.part=tests.metaug.toy.Broken"])


def test_help_explains_arguments(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--model.help", MODEL])
    assert "The step at which it fails on purpose, or null." in capsys.readouterr().out


BAR = [*FIT, "--trainer.enable_progress_bar=true"]


def test_progress_is_on_one_line(capsys):
    assert main(BAR) == 0
    printed = capsys.readouterr().out
    assert "Epoch 0/0" in printed
    assert "v_num" not in printed


def test_a_progress_bar_of_the_users_own_stays(capsys):
    assert main([*BAR, "--trainer.callbacks+=RichProgressBar"]) == 0
    assert "v_num" in capsys.readouterr().out
