"""What a report must say about where its figures come from."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "kornia", "lightly", "timm")
ROOT = Path(__file__).parents[1]


def describe_machine(command: str) -> list[str]:
    """Lines of a report: command with glibc's allocator settings, commit, processor, versions.

    Args:
        command: What made the report.
    """
    settings = [
        f"{name}={value}" for name, value in os.environ.items() if name.startswith("MALLOC_")
    ]
    packages = ", ".join(f"{name} {text}" for name, text in versions(PACKAGES).items())
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return [
        f"- command: `{' '.join([*settings, command])}`",
        f"- commit: {source_commit()}",
        f"- machine: {processor()}, {os.cpu_count()} CPUs, {device}, {platform.system()}",
        f"- versions: Python {platform.python_version()}, {packages}",
    ]


def source_commit() -> str:
    """The commit of the code: git's, or what a copy without a repository has in its file COMMIT.

    `-dirty` stands behind it where files differ from the commit.
    """
    note = ROOT / "COMMIT"
    if note.is_file():
        return note.read_text().strip()
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions by package, `(absent)` where there is none.

    Args:
        packages: Names of distributions.
    """
    return {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(absent)"


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
