"""A sweep file in wandb's form, read and checked as a whole before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

from metaug.settings.config_layers import read_config
from metaug.sweeps.fit_command import fit_options
from metaug.sweeps.parameters import Parameter, read_parameter

METHODS = ("random", "grid", "bayes")
_USED = ("method", "metric", "parameters", "command", "program", "early_terminate", "run_cap")
_OF_THE_SERVER = ("name", "description", "project", "entity", "apiVersion", "kind", "controller")
_EARLY = {
    "hyperband": {"type", "min_iter", "max_iter", "s", "eta", "strict"},
    "median": {"type", "min_iter"},
}


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        method: `random`, `grid` or `bayes`.
        metric: The logged name of the score.
        maximize: Whether more of it is better.
        parameters: What is searched.
        constants: Arguments that all trials get.
        options: What the file's command gives `metaug fit`.
        early_terminate: `type` and its numbers; empty where no trial is stopped early.
        run_cap: Most trials; null for no such limit.
    """

    method: str
    metric: str
    maximize: bool
    parameters: list[Parameter]
    constants: dict[str, Any]
    options: list[str]
    early_terminate: dict[str, Any] = field(default_factory=dict)
    run_cap: int | None = None

    @property
    def grid_size(self) -> int | None:
        """Points of the grid; None for another method."""
        if self.method != "grid":
            return None
        return prod(len(parameter.grid()) for parameter in self.parameters)

    @property
    def example(self) -> dict[str, Any]:
        """Arguments of a trial that may be, and of all trials."""
        return self.constants | {p.name: p.argument(p.least) for p in self.parameters}

    def setting(self, samples: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a trial, without those that all trials get.

        Args:
            samples: What Optuna sampled, by the parameters' names.
        """
        return {p.name: p.argument(samples[p.name]) for p in self.parameters if p.name in samples}


def read_sweep(path: Path) -> dict[str, Any]:
    """The content of a sweep file, checked.

    Args:
        path: The file.

    Raises:
        ValueError: It is no sweep file, or one that a local sweep does not run.
    """
    content = read_config(path)
    try:
        check_sweep(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return content


def check_sweep(content: Mapping[str, Any]) -> Sweep:
    """What a sweep file says.

    Args:
        content: The file, parsed.

    Raises:
        ValueError: It is no sweep file, or one that a local sweep does not run.
    """
    if "parameters" not in content and "method" not in content:
        raise ValueError(
            "this is no sweep file, which has `method`, `metric`, `parameters` and `command`; "
            "`metaug configs` lists the shipped ones, sweeps/..."
        )
    _refuse_unknown("", content, (*_USED, *_OF_THE_SERVER))
    method = content.get("method")
    if method not in METHODS:
        raise ValueError(f"method {method!r} is not supported; supported are {', '.join(METHODS)}")
    metric, goal = _metric(content.get("metric"))
    entries = content.get("parameters")
    if not isinstance(entries, Mapping) or not entries:
        raise ValueError(f"parameters must name at least one parameter, got {entries!r}")
    read = [read_parameter(str(name), entry) for name, entry in entries.items()]
    parameters = [one for one in read if isinstance(one, Parameter)]
    if not parameters:
        raise ValueError("all parameters are constants, and there is nothing to search")
    cap = content.get("run_cap")
    if cap is not None and (type(cap) is not int or cap < 1):
        raise ValueError(f"run_cap must be a whole number above 0, got {cap!r}")
    sweep = Sweep(
        method=method,
        metric=metric,
        maximize=goal == "maximize",
        parameters=parameters,
        constants=dict(one for one in read if not isinstance(one, Parameter)),
        options=fit_options(content.get("command"), content.get("program")),
        early_terminate=_early_terminate(content.get("early_terminate")),
        run_cap=cap,
    )
    _ = sweep.grid_size  # refuses a grid without end
    return sweep


def _metric(entry: Any) -> tuple[str, str]:
    example = "such as {name: val/knn_top1, goal: maximize}"
    if not isinstance(entry, Mapping) or not entry.get("name"):
        raise ValueError(f"metric must name a logged score, {example}, got {entry!r}")
    _refuse_unknown("metric.", entry, ("name", "goal"))
    if entry.get("goal") not in ("maximize", "minimize"):
        raise ValueError(
            f"metric.goal must be maximize or minimize, got {entry.get('goal')!r}; {example}"
        )
    return str(entry["name"]), entry["goal"]


def _early_terminate(entry: Any) -> dict[str, Any]:
    if entry is None:
        return {}
    kind = entry.get("type") if isinstance(entry, Mapping) else entry
    if kind not in _EARLY:
        raise ValueError(
            f"early_terminate.type {kind!r} is not supported; supported are {', '.join(_EARLY)}"
        )
    _refuse_unknown("early_terminate.", entry, tuple(_EARLY[kind]))
    if entry.get("strict") is False:
        raise ValueError("early_terminate.strict: false is not supported; leave it out")
    for name, least in (("min_iter", 1), ("max_iter", 1), ("s", 1), ("eta", 2)):
        value = entry.get(name, least)
        if isinstance(value, str) or value != int(value) or value < least:
            raise ValueError(
                f"early_terminate.{name} must be a whole number from {least} on, got {value!r}"
            )
    if kind == "hyperband" and "min_iter" not in entry and not {"max_iter", "s"} <= set(entry):
        raise ValueError("early_terminate: hyperband needs min_iter, or max_iter and s")
    return dict(entry)


def _refuse_unknown(where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            similar = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"known are {', '.join(known)}"
            raise ValueError(f"{where}{key} is unknown to a local sweep; {hint}")
