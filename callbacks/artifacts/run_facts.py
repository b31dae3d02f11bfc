"""What a run says of itself: its command, versions, data, scores and curves."""

import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..plotting.curves import draw_curves
from ..plotting.history import History

PACKAGES = ("metaug", "torch", "torchvision", "pytorch-lightning", "timm", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    known = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def command_line() -> str:
    """The command that started this process."""
    path = Path(sys.argv[0] if sys.argv and sys.argv[0] else "python")
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name]
    return shlex.join([*program, *sys.argv[1:]])


def facts_of_data(datamodule: Any) -> dict[str, Any]:
    """Kind and size of a data module's data, as far as it says and they are there."""
    facts: dict[str, Any] = {"data": "loaders" if datamodule is None else type(datamodule).__name__}
    for words, name in {"training images": "num_instances", "classes": "num_classes"}.items():
        try:
            number = getattr(datamodule, name, None)
        except (NotImplementedError, OSError, ValueError):
            number = None
        facts[words] = "unknown" if number is None else number
    if facts["classes"] == 0:
        facts["classes"] = "no labels"
    return facts


def scores_of(states: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Scores of probes, with their epoch, and what they depend on.

    Args:
        states: The state of each callback, as a checkpoint keeps it.
    """
    return {
        f"{name} (epoch {state['epoch']})": (f"{100 * value:.2f} %", state.get("conditions", ""))
        for state in states.values()
        if isinstance(state, Mapping) and {"scores", "epoch"} <= state.keys()
        for name, value in state["scores"].items()
    }


def curves_of(states: Mapping[str, Any]) -> Figure | None:
    """The figure of what training logged, if `TrainingCurves` watched it.

    Args:
        states: The state of each callback, as a checkpoint keeps it.
    """
    for key, state in states.items():
        if key.startswith("TrainingCurves") and "history" in state:
            history = History()
            history.load_state_dict(state["history"])
            return draw_curves(history)
    return None
