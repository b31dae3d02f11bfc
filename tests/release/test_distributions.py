"""The source distribution and the wheel: what is in them, and that the wheel works."""

import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

from metaug.shipped_configs import shipped_configs

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
ROOMS = ("callbacks", "configs", "datamodules", "lightning_modules", "metaug")
SHIPPED = (".py", ".yaml", ".txt", "py.typed")
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""
FEW_BATCHES = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
]


def git_files() -> set[str]:
    """What the repository holds, new files included; without a repository, what lies here."""
    if not (ROOT / ".git").exists():  # an unpacked source distribution
        files = (path for path in ROOT.rglob("*") if path.is_file())
        return {path.relative_to(ROOT).as_posix() for path in files}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def build(what: str, source: Path, target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, what, str(target)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is absent from the `packages`" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """A folder with both: the source distribution of this tree, the wheel made from that."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in git_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    build("build_sdist", source, target)
    with tarfile.open(target / f"metaug-{VERSION}.tar.gz") as archive:
        archive.extractall(source / "unpacked", filter="data")
    build("build_wheel", source / "unpacked" / f"metaug-{VERSION}", target)
    return target


@pytest.fixture(scope="module")
def wheel(distributions) -> zipfile.ZipFile:
    return zipfile.ZipFile(distributions / f"metaug-{VERSION}-py3-none-any.whl")


def test_wheel_holds_the_rooms_and_nothing_else(wheel):
    tree = {name for name in git_files() if name.split("/")[0] in ROOMS and name.endswith(SHIPPED)}
    expected = {name if name.startswith("metaug/") else f"metaug/{name}" for name in tree}
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == expected
    assert {f"metaug/configs/{name}" for name in shipped_configs()} <= shipped
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        assert f"metaug-{VERSION}.dist-info/{name}" in wheel.namelist()


def test_source_distribution_is_the_repository(distributions):
    with tarfile.open(distributions / f"metaug-{VERSION}.tar.gz") as archive:
        files = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in files if name.split("/")[0] == "metaug.egg-info"}
    assert files - made - {"PKG-INFO", "setup.cfg"} == git_files() - made - {
        "PKG-INFO",
        "setup.cfg",
    }


def test_metadata(wheel):
    metadata = Parser().parsestr(wheel.read(f"metaug-{VERSION}.dist-info/METADATA").decode())
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == PROJECT["license"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == VERSION
    released = re.findall(
        r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert released[0] == VERSION


def first_command() -> list[str]:
    """The arguments of README's first `metaug`."""
    line = re.search(r"^pip install \. && metaug (.+)$", (ROOT / "README.md").read_text(), re.M)
    assert line is not None
    return shlex.split(line[1])


def test_first_command_of_readme_runs_from_the_wheel(distributions, tmp_path):
    """In an environment of its own, which borrows this one's other packages."""
    home = tmp_path / "home"
    python = home / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (wheel,) = distributions.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install += ["--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    run = tmp_path / "elsewhere"
    run.mkdir()

    def metaug(*arguments: str) -> str:
        command = [str(home / "bin" / "metaug"), *arguments]
        done = subprocess.run(command, cwd=run, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert metaug("--version").split()[-1] == VERSION
    assert "trained encoder" in metaug(*first_command(), *FEW_BATCHES)
    assert (run / "runs/digits/version_0/config.yaml").is_file()
