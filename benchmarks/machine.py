"""What a report must say about where its figures come from."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "kornia", "lightly", "timm")


def describe_machine(command: str) -> list[str]:
    """Lines for a report: command with glibc's allocator settings, commit, processor, versions."""
    settings = [
        f"{name}={value}" for name, value in os.environ.items() if name.startswith("MALLOC_")
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    ).stdout.strip()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return [
        f"- command: `{' '.join([*settings, command])}`",
        f"- commit: {commit or 'unknown'}",
        f"- machine: {processor()}, {os.cpu_count()} CPUs, {device}, {platform.system()}",
        f"- versions: Python {platform.python_version()}, {versions}",
    ]


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
