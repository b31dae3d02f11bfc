import shutil
from pathlib import Path

import pytest
import yaml

from metaug.sweeps.folder import open_folder
from metaug.sweeps.study import Study

COMMAND = ["${env}", "${interpreter}", "-m", "metaug", "fit", "${args}"]


def content(method="random", **changes):
    """A sweep file of one parameter, `x` in [0, 1]."""
    return {
        "method": method,
        "metric": {"name": "val/top1", "goal": "maximize"},
        "command": COMMAND,
        "parameters": {"x": {"min": 0.0, "max": 1.0}},
        **changes,
    }


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Begin a sweep in a folder, or go on with it; `python -m metaug` is the stand-in."""
    (tmp_path / "metaug").mkdir()
    (tmp_path / "metaug" / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("stand_in.py"), tmp_path / "metaug" / "__main__.py")
    monkeypatch.chdir(tmp_path)

    def start(options=(), name="sweep", seed=None, **changes):
        folder = open_folder(tmp_path / name, content(**changes), list(options), seed)
        return folder, Study(folder.sweep, folder.path, folder.seed)

    return start


@pytest.fixture
def sweep_file(tmp_path):
    """Write a sweep file."""

    def write(name="mine.yaml", **changes):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content(**changes)))
        return path

    return write
