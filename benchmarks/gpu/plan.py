"""The parts in the order of their priority, and what each may take; imports nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's folder."""


@dataclass(frozen=True)
class Part:
    """A part of the benchmark.

    Attributes:
        seconds: The most it may take; what it leaves over goes to later parts.
        tasks: The most seconds of each task, by name; an argument stands behind a colon.
        needs_images: Whether it reads the images.
    """

    seconds: float
    tasks: dict[str, float] = field(default_factory=dict)
    needs_images: bool = False


PARTS = {
    "env": Part(70, {"facts": 30, "rates": 40}),
    "parity": Part(
        150,
        {
            "engines": 60,
            "exact_against_higher": 40,
            "replay": 20,
            "steps": 40,
            "bf16": 60,
            "waits": 20,
            "precision": 60,
            "layout": 20,
            "probes": 40,
            "views": 20,
            "resume": 30,
            "patched": 20,
            "memory": 20,
            "deterministic": 20,
            "own_tests": 60,
        },
        needs_images=True,
    ),
    "step": Part(
        160,
        {
            "variants:bf16,256": 90,
            "variants:bf16,1024": 70,
            "variants:tf32,256": 60,
            "variants:tf32,1024": 80,
        },
    ),
    "fit": Part(
        120,
        {
            "profile:shipped": 40,
            "command_line:shipped": 110,
            "command_line:lean": 70,
            "profile:patched": 40,
        },
        needs_images=True,
    ),
    "cures": Part(
        150,
        {
            "patched:recipe,256": 60,
            "graph:lookahead,256": 25,
            "graph:exact,256": 25,
            "graph:lookahead,1024": 25,
            "patched:exact-recipe,256": 30,
            "patched:recipe,1024": 40,
            "compiled:recipe,256": 150,
        },
    ),
    "learn": Part(10_000, needs_images=True),
}

SMOKE_TASKS = {
    "parity": {task: 60.0 for task in PARTS["parity"].tasks if task != "own_tests"},
    "step": {"variants:bf16,256": 90},
    "fit": {"profile:shipped": 40, "command_line:lean": 70},
    "cures": {"patched:recipe,256": 60, "graph:lookahead,256": 25, "compiled:recipe,256": 20},
}
"""The trial leaves out the test suite, and tasks that differ from these in their argument only."""

ROWS = ("simclr", "oucl", "self_paced", "metaug")
"""Rows of the part `learn`, all at once on the GPU."""
