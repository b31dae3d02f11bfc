"""Tables of what was measured, part by part."""

from collections.abc import Iterable
from typing import Any

from .bars import EPOCHS, epoch_seconds, minutes_of_run
from .results import Results

NOTHING = ["Not measured."]
STEP_COLUMNS = {
    "ms": ("ms", ".2f"),
    "ratio": ("over lightly", ".2f"),
    "host_ms": ("host, ms", ".2f"),
    "device_ms": ("device, ms", ".2f"),
    "kernels": ("kernels", ",.0f"),
    "images_per_s": ("images/s", ",.0f"),
    "peak_GiB": ("peak, GiB", ".2f"),
    "graphs": ("CUDA graphs", "d"),
}


def cell(value: Any, form: str = ".2f") -> str:
    """A cell of a table; empty where there is no number.

    Args:
        value: A number, text or None.
        form: How a number is written.
    """
    if isinstance(value, int | float):
        return f"{value:{form}}"
    return "" if value is None else str(value)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table whose first column is text and whose others are numbers.

    Args:
        head: Titles.
        rows: Cells.
    """
    titles = list(head)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = "|---|" + "--:|" * (len(titles) - 1)
    return [f"| {' | '.join(titles)} |", rule, *lines] if lines else NOTHING


def steps(results: Results) -> list[str]:
    """A table per precision and batch."""
    groups: dict[str, list[list[str]]] = {}
    batches: dict[str, int] = {}
    for (part, task), record in results.latest.items():
        argument, _, name = task.partition(" ")
        if part != "step" or not name:
            continue
        failure = "" if record.get("ok", True) else f" ({record['error'][:60]})"
        cells = [cell(record.get(key), form) for key, (_, form) in STEP_COLUMNS.items()]
        groups.setdefault(argument, []).append([f"`{name}`{failure}", *cells])
        batches[argument] = record["batch"]
    lines = []
    for argument, rows in groups.items():
        titles = ["step", *(title for title, _ in STEP_COLUMNS.values())]
        precision = argument.partition(",")[0]
        lines += [f"**{precision}, batch {batches[argument]}**", "", *table(titles, rows), ""]
    return lines[:-1] or NOTHING


def end_to_end(results: Results) -> list[str]:
    """The epochs of `metaug fit`, and where the time of a step through the data module goes."""
    epochs = results.get("fit", "command_line:shipped", "epochs") or []
    columns = ("whole", "training", "validation", "images_per_s")
    rows = [
        [str(epoch["epoch"] + 1), *(cell(epoch.get(each), ",.2f") for each in columns)]
        for epoch in epochs
    ]
    lines = table(["epoch", "whole, s", "training, s", "validation, s", "images/s"], rows)
    seconds, minutes = epoch_seconds(results), minutes_of_run(results)
    if seconds is not None and minutes is not None:
        start = epochs[0]["until the first epoch"]
        lines += [
            "",
            f"Start to first epoch {start:.1f} s; epochs 2 to {len(epochs) - 1} take {seconds:.2f} "
            "s on the mean, with the probes and checkpoints due in them; so "
            f"{EPOCHS} epochs would take {minutes:.1f} min (an estimate: "
            f"start + {EPOCHS} × epoch).",
        ]
    return lines


def profile(results: Results) -> list[str]:
    """Where the time of a step through the data module goes."""
    rows = []
    for (part, task), record in results.latest.items():
        kind, _, name = task.partition(":")
        if (part, kind) == ("fit", "profile") and "waits" in record:
            waits = ", ".join(f"{key} {value:g}" for key, value in record["waits"].items())
            keys = {"step_ms": ".2f", "host_ms": ".2f", "device_ms": ".2f"}
            cells = [cell(record.get(key), form) for key, form in keys.items()]
            counts = [cell(record.get(key), ",.0f") for key in ("kernels", "launches")]
            rows.append([name, *cells, *counts, waits or "none"])
    titles = ["config", "step, ms", "host, ms", "device, ms", "kernels", "launches", "waits"]
    return table(titles, rows)


def settings(results: Results) -> list[str]:
    """A step under each setting that the project offers."""
    rows = []
    for (part, task), record in results.latest.items():
        if part != "settings" or not record.get("ok", True):
            continue
        for name, step in record["steps"].items():
            label = f"{task.partition(':')[2]}: {name}"
            problem = step.get("error") or step.get("not applicable")
            cells = [cell(step.get(key), form) for key, (_, form) in STEP_COLUMNS.items()]
            rows.append([f"{label} ({problem})" if problem else label, *cells])
    return table(["setting", *(title for title, _ in STEP_COLUMNS.values())], rows)


def several(results: Results) -> list[str]:
    """Several processes beside one."""
    record = results.latest.get(("several", "processes"), {})
    lines = []
    errors = record.get("relative error to one process")
    if errors:
        shown = ", ".join(f"{kind} {error:.1e}" for kind, error in errors.items())
        lines = [f"Relative error to one process after three steps in float64: {shown}.", ""]
    rows = []
    for name, row in record.get("steps", {}).items():
        cells = [cell(row[key]) for key in ("one_ms", "ms", "ratio", "efficiency")]
        counts = [cell(row["messages"], ",.1f"), cell(row["MB"], ",.2f")]
        rows.append([f"`{name}`", *cells, cell(row["images_per_s"], ",.0f"), *counts])
    if not rows:
        return [*lines, record.get("note", NOTHING[0])]
    titles = ["step", "1 process, ms", f"{record['processes']} processes, ms", "over lightly"]
    titles += ["efficiency", "images/s per process", "messages", "MB given to them"]
    return [*lines, *table(titles, rows)]


def precision(results: Results) -> list[str]:
    """Errors of the meta-gradient by engine and precision, before and after some training."""
    measured = results.get("parity", "precision")
    if not measured:
        return NOTHING
    lines = [
        "Relative error of the generator's meta-gradient: to `exact` in float64 / to the same "
        "engine in float64 / of what the look-ahead adds to the plain gradient. "
        f"{measured['instances']} instances, seed {measured['seed']}; trained is after "
        f"{measured['steps']} steps of batch {measured['batch']} (loss {measured['loss']:.2f}).",
    ]
    for weights in ("untrained", "trained"):
        columns = measured[weights]
        rows = [
            [row, *(_errors(errors[row]) for errors in columns.values())]
            for row in next(iter(columns.values()))
        ]
        lines += ["", *table([weights, *columns], rows)]
    return lines


def _errors(errors: dict[str, float]) -> str:
    if "gap" in errors:
        return f"meta to plain {errors['gap']:.2f}"
    return " / ".join(f"{errors[key]:.1e}" for key in ("to exact", "to itself", "what is added"))


def learning(results: Results) -> list[str]:
    """The end of each row of the learning run."""
    rows = []
    for (part, task), record in results.latest.items():
        if part == "learn" and task.endswith(" result") and record.get("ok", True):
            counts = [str(record[key]) for key in ("epochs", "batch", "seed")]
            scores = [cell(record[key]) for key in ("knn_top1", "linear_top1", "rank")]
            rows.append([task.removesuffix(" result"), *counts, *scores])
    return table(["row", "epochs", "batch", "seed", "kNN, %", "linear, %", "rank"], rows)
