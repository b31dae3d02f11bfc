"""Whether what was computed is right: each task of the part `parity` in a line."""

from collections.abc import Callable, Iterator
from typing import Any

from .results import Results
from .tables import NOTHING

Verdict = tuple[str, bool | None]
"""What was seen, and whether it is as it must be; None where nothing must be."""
ROUNDING = 1e-8
"""Greatest relative error of two computations in float64."""


def numbers(value: Any) -> Iterator[float]:
    """All numbers inside a record.

    Args:
        value: Mappings and lists of numbers; text is passed over, `nan` and `inf` are not.
    """
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
    elif value in ("nan", "inf", "-inf"):
        yield float("inf")


def _to_rounding(errors: Any) -> Verdict:
    worst = max(numbers(errors))
    return f"largest relative error {worst:.1e}", worst <= ROUNDING


def _head(errors: Any) -> Verdict:
    shown = ", ".join(f"{name} {value:.1e}" for name, value in errors.items())
    return f"relative error of the gradients: {shown}", max(numbers(errors)) < 1e-6


def _exact_against_higher(errors: Any) -> Verdict:
    rows = {name: row["exact to higher"] for name, row in errors.items()}
    worst = max(numbers([value for name, value in rows.items() if "float64" in name]))
    shown = ", ".join(f"{name} {value:.0e}" for name, value in rows.items() if value != worst)
    return f"float64 {worst:.1e}; {shown}", worst <= ROUNDING


def _replay(passes: Any) -> Verdict:
    worst = max(numbers([each["replay to first"] for each in passes.values()]))
    kept = all(
        each["buffers untouched"] and each["random states put back"] for each in passes.values()
    )
    return f"largest relative error {worst:.1e}, state kept: {'yes' if kept else 'no'}", kept


def _bf16(engines: Any) -> Verdict:
    finite = {name: bool(row.get("finite")) for name, row in engines.items()}
    return ", ".join(f"{name} {'finite' if ok else 'NOT'}" for name, ok in finite.items()), all(
        finite.values()
    )


def _memory(kinds: Any) -> Verdict:
    grown = {
        name: row["after the last, MiB"] - row["after the third step, MiB"]
        for name, row in kinds.items()
    }
    shown = ", ".join(f"{name} {value:+.1f} MiB" for name, value in grown.items())
    return shown, all(value < 1 for value in grown.values())


def _resume(errors: Any) -> Verdict:
    shown = ", ".join(f"{name} {value:.1e}" for name, value in errors.items())
    return shown, errors["deterministic"] <= ROUNDING


def _views(recipes: Any) -> Verdict:
    least = min(numbers([row["share of equal pixels"] for row in recipes.values()]))
    times = ", ".join(f"{name} {row['ms']:.1f} ms" for name, row in recipes.items())
    return f"{100 * least:.2f} % of the pixels as on the CPU; {times}", least > 0.99


def _probes(probes: Any) -> Verdict:
    least = min(value for name, value in probes.items() if "share" in name)
    times = f"kNN {probes['kNN seconds']:.2f} s, linear {probes['linear seconds']:.2f} s"
    return f"{100 * least:.2f} % of the classes as on the CPU; {times}", least > 0.99


def _layout(rows: Any) -> Verdict:
    shown = "; ".join(
        f"{name}: {row['gradients laid out as parameters']}, {row['optimizer ms']:.2f} ms"
        for name, row in rows.items()
    )
    return shown, None


def _deterministic(outcomes: Any) -> Verdict:
    failed = {name: text for name, text in outcomes.items() if text != "runs"}
    return str(failed or "every engine runs"), not failed


def _own_tests(lines: Any) -> Verdict:
    return " ".join(lines), True  # a failure has no record to come here


CHECKS: dict[str, tuple[str, str, Callable[[Any], Verdict]]] = {
    "head": ("the head in bf16-mixed, beside float64", "relative error", _head),
    "engines": (
        "one meta step in float64, every engine, beside the CPU's",
        "relative error to the CPU: encoder, generator, loss, features",
        _to_rounding,
    ),
    "steps": (
        "three whole steps in float64, beside the CPU's",
        "relative error after three steps",
        _to_rounding,
    ),
    "compiled": (
        "eight whole steps with `compile: true`, beside those without",
        "relative error to compile: false",
        _to_rounding,
    ),
    "exact_against_higher": (
        "`exact` beside `higher`, dropout in attention and elsewhere",
        "relative error",
        _exact_against_higher,
    ),
    "replay": ("later passes beside the first", "passes", _replay),
    "bf16": ("ten steps in bf16-mixed", "engines", _bf16),
    "memory": ("memory after 30 steps beside after 3", "memory", _memory),
    "resume": (
        "four steps, and the last two from a checkpoint",
        "relative error of the resumed run",
        _resume,
    ),
    "deterministic": ("`trainer.deterministic: true`", "deterministic", _deterministic),
    "views": ("views made on the device", "views", _views),
    "probes": ("kNN and linear probe", "probes", _probes),
    "layout": ("gradients that lie in memory as their parameters", "layout", _layout),
    "own_tests": ("`pytest -m gpu`", "pytest", _own_tests),
}


def parity_table(results: Results) -> list[str]:
    """A row per check that was made.

    Args:
        results: Of the benchmark.
    """
    rows = ["| check | seen | |", "|---|---|---|"]
    for task, (title, key, summarize) in CHECKS.items():
        measured = results.get("parity", task, key)
        if measured:
            text, right = summarize(measured)
            verdict = "" if right is None else "right" if right else "**FAULT**"
            rows.append(f"| {title} | {text} | {verdict} |")
    places = results.get("parity", "waits", "waits of one step") or {}
    for kind, counted in places.items():
        for place, times in counted.items():
            rows.append(f"| waits of a step of {kind} | {times} × `{place}` | **FAULT** |")
    return rows if len(rows) > 2 else NOTHING
