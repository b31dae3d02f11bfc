import subprocess
import sys
from pathlib import Path

import pytest

import metaug
from metaug.cli import main
from metaug.options import configs_first
from metaug.shipped_configs import shipped_configs

DIGITS = str(shipped_configs()["digits.yaml"])


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"metaug {metaug.__version__}\n"


def test_configs_lists_each_with_a_line(capsys):
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_configs())
    assert all(len(line.split()) > 4 for line in lines)


def test_configs_prints_one(capsys):
    assert main(["configs", "simclr"]) == 0
    assert capsys.readouterr().out == shipped_configs()["overlays/simclr.yaml"].read_text()


def test_configs_prints_the_path_of_one(capsys):
    assert main(["configs", "--path", "digits"]) == 0
    assert capsys.readouterr().out == f"{DIGITS}\n"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("fit", "validate", "test", "predict", "configs", "--version", "--config"):
        assert f"\n  {command} " in text


def test_no_command_shows_help_and_fails(capsys):
    assert main([]) == 2
    assert "usage: metaug COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_help_of_a_command_fits_a_screen(command, capsys):
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 20 < len(lines) < 50
    assert max(map(len, lines)) <= 100
    options = [line.split()[0] for line in lines if line.startswith("  --")]
    assert {"--data.root", "--trainer.max_epochs", "--callbacks.KNNProbe.k"} <= set(options)


def test_console_command_finds_classes_in_the_present_folder(tmp_path):
    (tmp_path / "own.py").write_text(
        "from metaug.datamodules import DigitsDataModule\nclass Own(DigitsDataModule): ..."
    )
    command = [str(Path(sys.executable).with_name("metaug")), "fit", "--config", "digits.yaml"]
    done = subprocess.run(
        [*command, "--data", "own.Own", "--print_config"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "class_path: own.Own" in done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["configs"], ["fit", "--help"]])
def test_answers_without_torch(arguments):
    script = "from metaug.cli import main, sys; main(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fitt"], "there is no command 'fitt'; did you mean `metaug fit`?"),
        (["--config", "x.yaml", "fit"], "the command comes first: metaug fit --config x.yaml"),
        (["fit", "--config"], "--config needs the path or the shipped name of a YAML file"),
        (["fit", "--config", "nope.yaml"], "no config file 'nope.yaml'"),
        (["configs", "nope"], "no config file 'nope'"),
    ],
)
def test_user_errors_before_torch(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("metaug: error: ")
    assert message in error
    assert "METAUG_TRACEBACK=1 shows" in error.splitlines()[-1]
    assert "Traceback " not in error


def test_traceback_on_request(monkeypatch):
    monkeypatch.setenv("METAUG_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no command 'fitt'"):
        main(["fitt"])


def test_broken_yaml_names_the_file_and_the_line(tmp_path, capsys):
    file = tmp_path / "broken.yaml"
    file.write_text("trainer: [1,\nmodel")
    assert main(["fit", "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert f"{file} is not valid YAML" in error
    assert "line 2" in error


def test_arguments_win_over_configs_wherever_they_stand():
    overlay = str(shipped_configs()["overlays/simclr.yaml"])
    assert configs_first(["--a=1", "-c", "digits", "--b", "2", "--config=simclr.yaml"]) == [
        *("--config", DIGITS, "--config", overlay),
        *("--a=1", "--b", "2"),
    ]
