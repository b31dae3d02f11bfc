"""The parameters of a sweep, as wandb's sweep files write them and as Optuna samples them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

_KEYS = {
    "constant": {"value"},
    "categorical": {"values"},
    "uniform": {"min", "max"},
    "log_uniform": {"min", "max"},
    "log_uniform_values": {"min", "max"},
    "int_uniform": {"min", "max"},
    "q_uniform": {"min", "max", "q"},
    "q_log_uniform": {"min", "max", "q"},
    "q_log_uniform_values": {"min", "max", "q"},
}
_OPTIONAL = {"q"}
_OTHERS_OF_WANDB = {
    *("categorical_w_probabilities", "normal", "log_normal", "q_normal", "q_log_normal"),
    *("beta", "q_beta", "inv_log_uniform", "inv_log_uniform_values"),
}


@dataclass(frozen=True)
class Parameter:
    """What Optuna samples for one argument of `metaug fit`.

    Args:
        name: The argument without dashes, `model.meta.inner_lr`.
        distribution: What is sampled.
        quantum: The argument is the multiple of it that is nearest to the sample; null for none.

    Examples:
        >>> size = read_parameter("size", {"distribution": "q_uniform", "min": 1, "max": 9, "q": 4})
        >>> [size.argument(sample) for sample in (1.2, 5.0, 9.0)]
        [4, 4, 8]
    """

    name: str
    distribution: BaseDistribution
    quantum: int | float | None = None

    @property
    def is_log(self) -> bool:
        """Whether its values are spread over orders of magnitude."""
        return bool(getattr(self.distribution, "log", False))

    @property
    def least(self) -> Any:
        """The first or least sample."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[0]
        return self.distribution.low  # type: ignore[attr-defined]

    def argument(self, sample: Any) -> Any:
        """The value that the trial gets for what Optuna sampled."""
        if self.quantum is None:
            return sample
        first, last = self._multiples()
        value = min(max(round(sample / self.quantum), first), last) * self.quantum
        return value if isinstance(self.quantum, int) else float(f"{value:.12g}")

    def grid(self) -> list[Any]:
        """All samples of a grid.

        Raises:
            ValueError: There is no end of them.
        """
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        if isinstance(distribution, IntDistribution):
            return list(range(distribution.low, distribution.high + 1))
        if self.quantum is not None and not self.is_log:
            first, last = self._multiples()
            return [self.argument(k * self.quantum) for k in range(first, last + 1)]
        raise ValueError(
            f"parameters.{self.name}: a grid has values, int_uniform or q_uniform; "
            "give it `values: [...]`, or take method random or bayes"
        )

    def _multiples(self) -> tuple[int, int]:
        distribution: Any = self.distribution
        assert self.quantum is not None
        first = math.ceil(distribution.low / self.quantum - 1e-9)
        return first, math.floor(distribution.high / self.quantum + 1e-9)


def read_parameter(name: str, entry: Any) -> Parameter | tuple[str, Any]:
    """A parameter of a sweep file.

    Args:
        name: Its key.
        entry: What the file says of it, in wandb's form.

    Returns:
        The parameter; name and value for a constant.

    Raises:
        ValueError: Saying what is wrong, or what is not supported and what is.
    """
    where = f"parameters.{name}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a mapping such as {{values: [1, 2]}}, got {entry!r}")
    if "parameters" in entry:
        raise ValueError(f"{where} holds nested parameters; give each by its dotted name instead")
    distribution = entry.get("distribution") or _meant(where, entry)
    if distribution not in _KEYS:
        theirs = " (wandb has it, a local sweep has not)" * (distribution in _OTHERS_OF_WANDB)
        raise ValueError(
            f"{where}: distribution {distribution!r} is not supported{theirs}; "
            f"supported are {', '.join(_KEYS)}"
        )
    unknown = set(entry) - _KEYS[distribution] - {"distribution"}
    missing = _KEYS[distribution] - _OPTIONAL - set(entry)
    if unknown or missing:
        problem = f"has no {_list(unknown)}" if unknown else f"needs {_list(missing)}"
        raise ValueError(f"{where}: {distribution} {problem}, got {dict(entry)}")
    if distribution == "constant":
        return name, entry["value"]
    if distribution == "categorical":
        return Parameter(name, CategoricalDistribution(_choices(where, entry["values"])))
    return _numeric(name, where, distribution, entry)


def _meant(where: str, entry: Mapping[str, Any]) -> str:
    if "value" in entry:
        return "constant"
    if "values" in entry:
        return "categorical_w_probabilities" if "probabilities" in entry else "categorical"
    if {"min", "max"} <= set(entry):
        whole = all(type(entry[bound]) is int for bound in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    raise ValueError(f"{where} needs `values`, `value`, or `min` and `max`, got {dict(entry)}")


def _choices(where: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{where}: values must be a list of at least one, got {values!r}")
    texts = [json.dumps(value) for value in values]
    if twice := {text for text in texts if texts.count(text) > 1}:
        raise ValueError(f"{where}: values has {_list(twice)} more than once")
    nested = (list, dict)
    return [text if isinstance(v, nested) else v for v, text in zip(values, texts, strict=True)]


def _numeric(name: str, where: str, distribution: str, entry: Mapping[str, Any]) -> Parameter:
    for key in set(entry) - {"distribution"}:
        if isinstance(entry[key], bool) or not isinstance(entry[key], int | float):
            raise ValueError(
                f"{where}: {key} must be a number, got {entry[key]!r} (YAML reads 1.0e-4 as one, "
                "and 1e-4 as text)"
            )
    low, high, quantum = entry["min"], entry["max"], None
    if distribution.startswith("q_"):
        quantum = entry.get("q", 1)
        if quantum <= 0:
            raise ValueError(f"{where}: q must be above 0, got {quantum}")
    if distribution in ("log_uniform", "q_log_uniform"):  # bounds are exponents of e
        low, high = math.exp(low), math.exp(high)
    if not low < high:
        raise ValueError(f"{where}: min must be below max, got {low} and {high}")
    if distribution == "int_uniform":
        if low != int(low) or high != int(high):
            raise ValueError(f"{where}: int_uniform needs whole bounds, got {low} and {high}")
        return Parameter(name, IntDistribution(int(low), int(high)))
    log = "log" in distribution
    if log and low <= 0:
        raise ValueError(f"{where}: min of {distribution} must be above 0, got {low}")
    parameter = Parameter(name, FloatDistribution(low, high, log=log), quantum)
    if quantum is not None and parameter._multiples()[0] > parameter._multiples()[1]:
        raise ValueError(f"{where}: no multiple of q={quantum} lies between {low} and {high}")
    return parameter


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def as_text(value: Any) -> str:
    """A value as an argument of the command line.

    Examples:
        >>> [as_text(value) for value in (True, None, 1e-05, "exact")]
        ['true', 'null', '1e-05', 'exact']
    """
    return value if isinstance(value, str) else json.dumps(value)
