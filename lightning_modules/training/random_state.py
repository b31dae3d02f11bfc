"""The random state of a process as plain tensors and numbers, for weights-only checkpoints."""

import random
import sys
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException


def collect_random_state() -> dict[str, Any]:
    """The states of torch (CPU and GPU), NumPy and Python."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = cast(tuple, np.random.get_state(legacy=True))
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Put a collected state back.

    Args:
        state: What `collect_random_state` returned.
    """
    torch.set_rng_state(state["torch"].cpu())
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def collect_random_states(processes: int) -> list[dict[str, Any]]:
    """The states of all processes, in the order of their ranks.

    Args:
        processes: Number of processes. After an error on one of them the others do not take part
            any more; then it is this one's state alone.
    """
    state = collect_random_state()
    error = sys.exc_info()[1]
    if processes == 1 or not (error is None or isinstance(error, SIGTERMException)):
        return [state]
    states: list[Any] = [None] * processes
    torch.distributed.all_gather_object(states, state)
    return states
