"""A bounded record of logged values over steps."""

from typing import Any

import torch
from torch import Tensor


class History:
    """Named series of (step, value).

    A series that grows beyond `limit` points is thinned to every second one, and from then on
    takes half as many, so that memory and figures stay bounded in runs of any length.

    Args:
        limit: Most points of a series.
    """

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.series: dict[str, dict[str, Any]] = {}

    def add(self, name: str, step: int, value: Tensor | float) -> None:
        """Record a value, if it is the turn of this step."""
        series = self.series.setdefault(name, {"every": 1, "seen": 0, "step": [], "value": []})
        series["seen"] += 1
        if (series["seen"] - 1) % series["every"]:
            return
        series["step"].append(step)
        series["value"].append(value.detach().clone() if isinstance(value, Tensor) else value)
        if len(series["step"]) > self.limit:
            series["every"] *= 2
            series["step"] = series["step"][::2]
            series["value"] = series["value"][::2]

    def points(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of a series; both empty if there is none."""
        series = self.series.get(name)
        if series is None:
            return [], []
        self._settle(series)
        return series["step"], series["value"]

    def _settle(self, series: dict[str, Any]) -> None:
        """Bring tensors from their device, all at once."""
        places = [i for i, value in enumerate(series["value"]) if isinstance(value, Tensor)]
        if places:
            values = torch.stack([series["value"][i].float().reshape(()) for i in places]).tolist()
            for i, value in zip(places, values, strict=True):
                series["value"][i] = value

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        for series in self.series.values():
            self._settle(series)
        return {
            name: {key: list(part) if isinstance(part, list) else part for key, part in s.items()}
            for name, s in self.series.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved record."""
        self.series = {
            name: {key: list(part) if isinstance(part, list) else part for key, part in s.items()}
            for name, s in state.items()
        }
