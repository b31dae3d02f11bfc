"""What GitHub and pre-commit are told is what holds here."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def jobs(name: str) -> dict:
    return yaml.safe_load((WORKFLOWS / name).read_text())["jobs"]


def runs(job: dict) -> list[str]:
    """Commands of a job's steps."""
    return [step["run"] for step in job["steps"] if "run" in step]


def test_newest_stack_goes_through_the_script_on_every_python():
    newest = jobs("ci.yml")["newest"]
    assert runs(newest) == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [found[1] for line in classifiers if (found := re.search(r":: (3\.\d+)$", line))]
    assert newest["strategy"]["matrix"]["python"] == pythons


def test_oldest_stack_is_that_of_the_constraints():
    install, test = runs(jobs("ci.yml")["oldest"])
    assert "-c tests/release/oldest.txt" in install
    assert "pytest" in test


def test_release_is_built_checked_and_of_its_tag():
    release = jobs("release.yml")
    commands = "\n".join(runs(release["build"]))
    for command in ("python -m build", "twine check --strict", 'grep -qx "version = '):
        assert command in commands
    version_line = re.search(r'^version = "[\d.]+"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version_line is not None  # what the tag is compared with
    assert release["publish"]["needs"] == "build"
    assert release["publish"]["permissions"] == {"id-token": "write"}


def test_actions_are_pinned():
    for file in WORKFLOWS.glob("*.yml"):
        for use in re.findall(r"uses: (\S+)", file.read_text()):
            assert re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+)", use), use


def test_hooks_are_pinned_and_those_of_the_script():
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for repo in repos for hook in repo["hooks"] if "entry" in hook]
    script = (ROOT / ".ci" / "run").read_text()
    assert all(" ".join(entry.split()[:2]) in script for entry in entries)
    assert all("rev" in repo for repo in repos if repo["repo"] != "local")
