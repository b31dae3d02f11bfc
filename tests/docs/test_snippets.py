"""What README and the docs show runs: Python blocks, YAML overlays and the commands of bash blocks.

Blocks marked `text` are shown only. The commands of a page run one after another in one folder, on
tiny data and few batches.
"""

import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import metaug.callbacks  # before a test replaces Lightning's trainer
import metaug.datamodules  # noqa: F401
import pytest
import pytorch_lightning as pl
import yaml

from metaug.cli import TRAINER_COMMANDS, main
from metaug.shipped_configs import find_config
from tests.configs import tiny_data

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FEW_BATCHES = [
    "--trainer.limit_train_batches=2",
    "--trainer.max_epochs=1",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--trainer.precision=32-true",
    "--trainer.enable_progress_bar=false",
    "--data.init_args.batch_size=8",
    "--data.init_args.num_workers=0",
]
# what a page shows is a user's, whose warnings are not errors
pytestmark = pytest.mark.filterwarnings("default")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def commands(page: Path) -> list[list[str]]:
    """Every command of a page's bash blocks, in order, as words."""
    found = []
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                if words:
                    found.append(words)
    return found


def ids(pages: list[Path]) -> list[str]:
    return [page.name for page in pages]


PYTHON = [page for page in PAGES if blocks(page, "python")]
BASH = [page for page in PAGES if commands(page)]
YAML = [page for page in PAGES if blocks(page, "yaml")]


@pytest.mark.parametrize("page", PYTHON, ids=ids(PYTHON))
def test_python(page, monkeypatch):
    monkeypatch.setattr(pl, "Trainer", partial(pl.Trainer, limit_train_batches=2))
    names = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", YAML, ids=ids(YAML))
def test_yaml_is_an_overlay(page):
    for block in blocks(page, "yaml"):
        Path("overlay.yaml").write_text(block)
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--config", "digits.yaml", "--config", "overlay.yaml", "--print_config"])
        assert stop.value.code == 0


@pytest.mark.long
@pytest.mark.parametrize("page", BASH, ids=ids(BASH))
def test_commands(page, tmp_path, monkeypatch):
    for words in commands(page):
        if words[0] == "metaug":
            run_metaug(words[1:], tmp_path, monkeypatch)
        elif words[:2] == ["pip", "install"]:
            (target,) = [word for word in words[2:] if not word.startswith("-")]
            assert re.fullmatch(
                r"\.(\[(test|dev|docs|plugins|benchmark)(,\w+)*\])?|metaug", target
            ), target
        else:
            assert words[0] in ("pytest", ".ci/run", "git", "cd", "tensorboard"), words


def run_metaug(words: list[str], tmp_path: Path, monkeypatch) -> None:
    if ">" in words:
        words = words[: words.index(">")]
    if words[0] not in TRAINER_COMMANDS:
        assert main(words) == 0
        return
    arguments = [words[0], *FEW_BATCHES, *data_arguments(words, tmp_path, monkeypatch), *words[1:]]
    if "--print_config" in words or "--help" in words:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        return
    assert main(arguments) == 0, words


def data_arguments(words: list[str], tmp_path: Path, monkeypatch) -> list[str]:
    config = words[words.index("--config") + 1]
    data = yaml.safe_load(find_config(config).read_text()).get("data", {}).get("class_path", "")
    root = tmp_path / "data"
    if data.endswith("CIFAR10DataModule"):
        if not root.exists():
            tiny_data.cifar(root, monkeypatch)
        return [f"--data.init_args.root={root}"]
    if data.endswith("ImageFolderDataModule"):
        place = words.index("--data.init_args.root") + 1
        words[place] = str(root if root.exists() else tiny_data.image_folder(root))
    return []


def test_ci_runs_the_test_command_of_readme():
    script = (ROOT / ".ci" / "run").read_text()
    function = re.search(r"^readme_test_command\(\).*?^}", script, re.M | re.S)
    assert function is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{function[0]}\nreadme_test_command"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.match(r"(python -m )?pytest\b", done.stdout)
