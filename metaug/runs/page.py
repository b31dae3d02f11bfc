"""The page of a comparison: one HTML file that needs nothing else."""

import base64
from pathlib import Path
from typing import Any

from metaug.callbacks.artifacts.page_parts import environment
from metaug.runs.comparison import Comparison
from metaug.runs.curves import draw, look, names_to_draw, title as figure_title
from metaug.runs.differences import shown
from metaug.runs.page_template import TEMPLATE
from metaug.runs.run import Run
from metaug.runs.scores import epochs_for_all, letter, score_rows
from metaug.runs.words import epochs, percent, purpose, short_score, took


def write_page(comparison: Comparison, file: str | Path, title: str | None = None) -> None:
    """Write the page.

    Args:
        comparison: What `compare` gave.
        file: Where to.
        title: Its heading; says what is compared if None.
    """
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(comparison, title), encoding="utf-8")


def render(comparison: Comparison, title: str | None = None) -> str:
    """The page as text.

    Args:
        comparison: What `compare` gave.
        title: Its heading; says what is compared if None.
    """
    runs, groups = comparison.runs, comparison.groups
    letters = [letter(index) for index in range(len(groups))]
    unreadable = [f"left out: {path}: {reason}" for path, reason in comparison.unreadable.items()]
    of = list(dict.fromkeys(purpose(run) for run in runs))
    return (
        environment()
        .from_string(TEMPLATE)
        .render(
            title=title
            or " and ".join(of[:3]) + (f" and {len(of) - 3} more" if len(of) > 3 else ""),
            lead=f"{len(runs)} runs of {len(groups)} setting{'s' if len(groups) > 1 else ''}",
            legend=_legend(comparison),
            notes=[*comparison.warnings, *unreadable],
            scores=score_rows(comparison),
            equal=epochs_for_all(comparison),
            differing_head=["setting", *letters],
            differing=[[key, *values] for key, values in comparison.differing.items()],
            following=[[key, *values] for key, values in comparison.following.items()],
            has_times=any(run.training_seconds for run in runs),
            panels=_panels(comparison),
            alone=", ".join(comparison.alone),
            runs_head=_runs_head(comparison),
            runs=[
                [letters[index], *_run_cells(comparison, run)]
                for index, group in enumerate(groups)
                for run in group.runs
            ],
            commands="\n".join(f"# {run.name}\n{_command(run)}" for run in runs),
            housekeeping_head=["setting", *(run.name for run in runs)],
            housekeeping=[[key, *values] for key, values in comparison.housekeeping.items()],
            alike=list(comparison.alike.items()),
        )
    )


def _legend(comparison: Comparison) -> list[dict[str, Any]]:
    entries = []
    for index, group in enumerate(comparison.groups):
        color, dashes = look(index)
        size = len(group.runs)
        entries.append(
            {
                "letter": letter(index),
                "label": group.label,
                "runs": f"{size} run{'' if size == 1 else 's'}",
                "color": color,
                "dashes": ""
                if isinstance(dashes, str)
                else " ".join(str(3 * d) for d in dashes[1]),
            }
        )
    return entries


def _panels(comparison: Comparison) -> list[tuple[str, list[tuple[str, str]]]]:
    panels = []
    for kind, by_time in (("over-epochs", False), ("over-time", True)):
        figures = []
        for name in names_to_draw(comparison):
            svg = draw(comparison.groups, name, by_time=by_time)
            if svg is not None:
                figures.append((figure_title(name), base64.b64encode(svg.encode()).decode()))
        panels.append((kind, figures))
    return panels


def _runs_head(comparison: Comparison) -> list[str]:
    scores = [part for name in comparison.scores for part in (short_score(name), "best")]
    return ["", "run", "seed", "state", "epoch", *scores, "time", "began", "on", "version"]


def _run_cells(comparison: Comparison, run: Run) -> list[str]:
    scores = [percent(v) for name in comparison.scores for v in (run.last(name), run.best(name))]
    began = f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "–"
    cells = [run.name, _seed(comparison, run), run.state, epochs(run)]
    return [*cells, *scores, took(run), began, run.device or "–", run.version or "–"]


def _seed(comparison: Comparison, run: Run) -> str:
    """The seed of all, and others that are not alike in all runs and do not follow it."""
    general = run.settings.get("seed_everything", "–")
    others = [
        f"{key}={shown(seed)}"
        for key, seed in run.seeds.items()
        if key not in comparison.alike and seed != general
    ]
    return ", ".join([shown(general), *others])


def _command(run: Run) -> str:
    return (
        run.command
        or f"metaug fit --config {run.folder / 'config.yaml'}  # not recorded: its config"
    )
