"""What pyproject.toml ships is what there is."""

import subprocess
import sys
import tomllib
from pathlib import Path

import metaug

ROOT = Path(__file__).parents[2]
ROOMS = ("callbacks", "configs", "datamodules", "lightning_modules", "metaug")


def is_listed(folder: Path) -> bool:
    """Whether a folder of configs has some."""
    return any(folder.glob("*.yaml"))


def test_every_package_is_listed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = set()
    for room in ROOMS:
        for init in (ROOT / room).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT).parts)
            found.add(name if room == "metaug" else f"metaug.{name}")
    found |= {
        f"metaug.configs.{path.name}" for path in (ROOT / "configs").iterdir() if is_listed(path)
    }
    assert set(settings["packages"]) == found


def test_clone_works_without_installation(tmp_path):
    script = "import metaug.lightning_modules as room; print(room.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == ROOT / "lightning_modules" / "__init__.py"


def test_public_names_are_those_of_the_rooms():
    from metaug.lightning_modules import MetAug

    assert metaug.MetAug is MetAug
    assert set(metaug.__all__) <= set(dir(metaug))
