"""What a sweep has found so far: a table, `trials.csv`, `best.yaml` and its command."""

import csv
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from metaug.settings.config_layers import short
from metaug.sweeps.attempts import seconds
from metaug.sweeps.fit_command import arguments
from metaug.sweeps.folder import SweepFolder
from metaug.sweeps.study import Study
from metaug.sweeps.trial_values import as_cell, by_score, score, short_names

WIDTH = 80
ROWS = 30
STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "open",
}
# Settings that stand in no config file: changes of one entry of a list
_ON_THE_COMMAND_LINE = ("callbacks.", "logger.")


def table(folder: SweepFolder, study: Study, width: int = WIDTH) -> Table:
    """The trials, best first and bold; parameters that fit the width, in the file's order."""
    best = study.best()
    trials = by_score(study)[:ROWS]
    names = short_names(parameter.name for parameter in folder.sweep.parameters)
    settings = [folder.sweep.setting(trial.params) for trial in trials]
    columns = {
        "\n".join(re.split(r"[._]", text)): [as_cell(setting.get(name)) for setting in settings]
        for name, text in names.items()
    }
    gap = 2 if _width(columns, 2) <= width else 1
    while columns and _width(columns, gap) > width:
        columns.popitem()
    title = f"{len(names) - len(columns)} more parameters in trials.csv"
    result = Table(
        box=None,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        caption=title if len(columns) < len(names) else None,
        caption_justify="left",
    )
    for head in ("trial", *columns, "score", "epochs"):
        result.add_column(head, justify="right", no_wrap=True)
    result.add_column("state", no_wrap=True)
    for row, trial in enumerate(trials):
        value = score(trial)
        epochs = trial.user_attrs.get("epochs", len(trial.intermediate_values))
        is_best = best is not None and trial.number == best.number
        result.add_row(
            str(trial.number),
            *(cells[row] for cells in columns.values()),
            "" if value is None else f"{value:.4g}",
            str(epochs) if epochs else "",
            STATES[trial.state],
            style="bold" if is_best else "dim" if trial.state == TrialState.FAIL else "",
        )
    return result


def _width(columns: Mapping[str, list[str]], gap: int) -> int:
    """Columns of text that the table takes, with trial, score, epochs and state."""
    words = [[*head.split("\n"), *cells] for head, cells in columns.items()]
    others = sum(map(len, ("trial", "0.1234", "epochs", "stopped"))) + 4 * gap
    return sum(max(map(len, column)) + gap for column in words) + others


def best_line(folder: SweepFolder, best: FrozenTrial) -> str:
    """The best setting in short names."""
    names = short_names(parameter.name for parameter in folder.sweep.parameters)
    setting = folder.sweep.setting(best.params)
    pairs = ", ".join(f"{names[name]} {as_cell(value)}" for name, value in setting.items())
    return f"best: trial {best.number}, {best.value:.4g} by {pairs}"


def write_csv(folder: SweepFolder, study: Study) -> Path:
    """All trials in `trials.csv`, by number, parameters by their whole names."""
    path = folder.path / "trials.csv"
    names = [parameter.name for parameter in folder.sweep.parameters]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["trial", *names, folder.sweep.metric, "epochs", "seconds", "state", "error"]
        writer.writerow(head)
        for trial in study.trials():
            setting = folder.sweep.setting(trial.params)
            writer.writerow(
                [
                    trial.number,
                    *(setting.get(name) for name in names),
                    score(trial),
                    trial.user_attrs.get("epochs", len(trial.intermediate_values)),
                    f"{seconds(folder.trial(trial.number)):.1f}",
                    STATES[trial.state],
                    trial.user_attrs.get("error", ""),
                ]
            )
    return path


def write_best(folder: SweepFolder, study: Study) -> list[str]:
    """The best setting as `best.yaml`, to be laid over the configs of the sweep.

    Returns:
        The words of the command that trains with it; empty before a trial is complete.
    """
    best = study.best()
    if best is None:
        return []
    setting = folder.sweep.constants | folder.sweep.setting(best.params)
    changes = {key: v for key, v in setting.items() if key.startswith(_ON_THE_COMMAND_LINE)}
    overlay = _nested({short(key): v for key, v in setting.items() if key not in changes})
    path = folder.path / "best.yaml"
    text = f"# Overlay: best of {len(study.trials())} trials of the sweep {folder.name}, "
    text += f"{folder.sweep.metric} {best.value:.4g}, trial {best.number}.\n"
    path.write_text(text + yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    options = [*folder.sweep.options, *folder.options, *arguments(changes)]
    return ["metaug", "fit", *options, "--config", str(shown)]


def _nested(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a config: a component that is chosen by its class holds what is set of it."""
    overlay: dict[str, Any] = {}
    for key in sorted(setting, key=lambda key: key.count(".")):  # components first
        *parents, last = key.split(".")
        place = overlay
        for parent in parents:
            if isinstance(place.get(parent), str):
                place[parent] = {"class_path": place[parent], "init_args": {}}
            place = place.setdefault(parent, {})
            place = place.get("init_args", place)
        value = setting[key]
        is_nested = isinstance(value, str) and value.startswith(("[", "{"))
        place[last] = yaml.safe_load(value) if is_nested else value
    return overlay


def show(folder: SweepFolder, study: Study, *, figure: bool = True) -> None:
    """Print the table, the errors of failed trials and the best setting; write the files.

    Args:
        folder: The sweep's.
        study: Its trials.
        figure: Whether to draw `sweep.png` too, for which torch is loaded.
    """
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    trials = study.trials()
    if not trials:
        console.print(f"no trials yet in {folder.path}")
        return
    console.print(f"\n[bold]{folder.name}[/bold]: {folder.sweep.metric}, {_counts(trials)}")
    console.print(table(folder, study, console.width))
    if len(trials) > ROWS:
        console.print(f"... and {len(trials) - ROWS} more in trials.csv")
    for trial in trials:
        if trial.state == TrialState.FAIL:
            console.print(f"trial {trial.number} failed: {trial.user_attrs.get('error', '')}")
    write_csv(folder, study)
    command = write_best(folder, study)
    files = ["trials.csv"]
    if figure and any(score(trial) is not None for trial in trials):
        from metaug.sweeps.figure import write_figure  # takes seconds: torch, matplotlib

        files.append(write_figure(folder, study).name)
    best = study.best()
    if command and best is not None:
        files.append("best.yaml")
        console.print(best_line(folder, best))
        console.print(f"train with it: {shlex.join(command)}", soft_wrap=True)
    console.print(f"written to {folder.path}: {', '.join(files)}", soft_wrap=True)


def _counts(trials: list[FrozenTrial]) -> str:
    states = [STATES[trial.state] for trial in trials]
    counts = [f"{states.count(s)} {s}" for s in STATES.values() if s in states]
    return f"{len(trials)} trials ({', '.join(counts)})"
