"""The parts in the order of their importance, and what each may take; imports nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's folder."""


@dataclass(frozen=True)
class Part:
    """A part of the benchmark.

    Attributes:
        share: Of the time of the whole run; what it leaves over goes to later parts.
        tasks: The most seconds of each task, by name; an argument stands behind a colon.
        needs_images: Whether it reads the images.
    """

    share: float
    tasks: dict[str, float] = field(default_factory=dict)
    needs_images: bool = False


PARTS = {
    "env": Part(0.07, {"facts": 30, "rates": 30}),
    "parity": Part(
        0.25,
        {
            "waits": 30,
            "compiled": 40,
            "own_tests": 90,
            "head": 20,
            "engines": 60,
            "exact_against_higher": 40,
            "replay": 20,
            "steps": 40,
            "bf16": 60,
            "memory": 20,
            "precision": 90,
            "resume": 30,
            "views": 20,
            "probes": 40,
            "layout": 20,
            "deterministic": 20,
        },
        needs_images=True,
    ),
    "step": Part(
        0.22,
        {
            "variants:bf16,256": 130,
            "variants:bf16,1024": 80,
            "variants:tf32,256": 120,
            "variants:bf16,256,others": 100,
            "variants:tf32,1024": 120,
        },
    ),
    "fit": Part(
        0.15,
        {"command_line:shipped": 110, "profile:shipped": 40, "profile:compiled": 40},
        needs_images=True,
    ),
    "several": Part(0.06, {"processes": 150}),
    "settings": Part(
        0.12,
        {"steps:lookahead,256": 100, "steps:exact,256": 60, "steps:lookahead,1024": 60},
    ),
    "learn": Part(0.13, needs_images=True),
}

SMOKE_TASKS: dict[str, dict[str, float]] = {
    "parity": {task: 60.0 for task in PARTS["parity"].tasks if task != "own_tests"},
    "step": {"variants:bf16,256": 90},
    "fit": {"command_line:shipped": 70, "profile:shipped": 40},
    "settings": {"steps:lookahead,256": 60},
}
"""The trial leaves out the test suite, and tasks that differ from these in their argument only."""

ROWS = ("simclr", "oucl", "self_paced", "attraction", "noise", "metaug")
"""Rows of the part `learn`, all at once on the GPU."""
