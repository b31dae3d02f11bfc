"""Tables and figures from the results file: mean and spread over seeds, every seed as a dot."""

import itertools
import math
import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from metaug.callbacks.plotting.style import COLORS, INK, MUTED, style
from scipy.stats import spearmanr

from .results import Results
from .rows import Rows

SCORES = {"knn": "kNN top-1, %", "linear": "linear top-1, %"}
Lines = list[dict[str, Any]]


def spread(values: list[float]) -> str:
    """Mean ± standard deviation (n - 1) of some values."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def differences(lines: Lines, base: Lines, score: str) -> list[float]:
    """Score minus that of the base row with the same seed, for seeds that both have."""
    of_base = {line["seed"]: line[score] for line in base}
    return [line[score] - of_base[line["seed"]] for line in lines if line["seed"] in of_base]


def finished(runs: dict[str, Lines], name: str) -> Lines:
    """The runs of a row that did not fail."""
    return [line for line in runs.get(name, []) if not line["error"]]


def by_row(lines: Lines, rows: Rows) -> dict[str, Lines]:
    """Finished runs of every row, as the rows are now, in the order of the rows file."""
    found: dict[str, Lines] = {}
    for name in rows.rows:
        settings = rows.settings(name)
        mine = [line for line in lines if line["settings"] == settings]
        if mine:
            found[name] = sorted(mine, key=lambda line: line["seed"])
    return found


def table(runs: dict[str, Lines], rows: Rows) -> list[str]:
    """A row per setting: scores, difference to the baseline seed by seed, rank and time."""
    base = finished(runs, rows.baseline)
    lines = [
        f"| row | seeds | kNN | linear | kNN − {rows.baseline} | linear − {rows.baseline} "
        "| attraction | rank | InfoNCE | CPU s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, all_of_it in runs.items():
        mine = finished(runs, name)
        failed = f" ({len(all_of_it) - len(mine)} failed)" if len(mine) < len(all_of_it) else ""
        cells = [f"{rows.title(name)}{failed}", str(len(mine))]
        cells += [spread([line[score] for line in mine]) for score in SCORES]
        for score in SCORES:
            cells.append("" if name == rows.baseline else spread(differences(mine, base, score)))
        figures = {"attraction_ratio": 2, "rank": 1, "infonce": 2, "cpu_seconds": 0}
        for figure, digits in figures.items():
            values = [line[figure] for line in mine if not math.isnan(line[figure])]
            cells.append(f"{statistics.mean(values):.{digits}f}" if values else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def comparisons(runs: dict[str, Lines], rows: Rows) -> list[str]:
    """A row per pair of rows that `compare` names: difference of the scores, seed by seed."""
    lines = ["| difference | seeds | kNN | linear |", "|---|--:|--:|--:|"]
    for first, second in map(rows.names, rows.compared):
        mine, other = finished(runs, first), finished(runs, second)
        found = [differences(mine, other, score) for score in SCORES]
        if found[0]:
            cells = [f"{rows.title(first)} − {rows.title(second)}", str(len(found[0]))]
            lines.append("| " + " | ".join([*cells, *map(spread, found)]) + " |")
    return lines


def label_free_ranks(runs: dict[str, Lines]) -> list[str]:
    """How the score without labels ranks the finished runs, as each probe does; -1 is the same."""
    lines = [line for name in runs for line in finished(runs, name)]
    scored = [line for line in lines if not math.isnan(line["infonce"])]
    if len(scored) < 5:
        return []
    scores = [line["infonce"] for line in scored]
    ranks = {name: spearmanr(scores, [line[name] for line in scored])[0] for name in SCORES}
    shown = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items())
    return [
        f"Rank correlation of `val/representation_infonce` over {len(scored)} runs: {shown}.",
        "",
    ]


def draw(runs: dict[str, Lines], rows: Rows) -> Figure:
    """A dot per seed, a bar at the mean; one panel per probe."""
    names = list(runs)[::-1]
    base = runs.get(rows.baseline, [])
    with style():
        figure = Figure(figsize=(9.2, 0.9 + 0.27 * len(names)), layout="constrained")
        for panel, (axes, (score, label)) in enumerate(
            zip(figure.subplots(1, 2, sharey=True), SCORES.items(), strict=True)
        ):
            if base:
                mean = statistics.mean(line[score] for line in base)
                axes.axvline(mean, color=MUTED, linewidth=1, linestyle=":")
            for height, name in enumerate(names):
                values = [line[score] for line in runs[name] if not math.isnan(line[score])]
                if not values:
                    continue
                colour = INK if name == rows.baseline else COLORS[panel]
                axes.plot(values, [height] * len(values), "o", color=colour, alpha=0.45, ms=4)
                axes.plot(statistics.mean(values), height, "|", color=colour, ms=14, mew=2)
            axes.set_yticks(range(len(names)), [rows.title(name) for name in names])
            axes.set_title(label)
            axes.grid(axis="y", visible=False)
    return figure


def draw_attraction(runs: dict[str, Lines], rows: Rows) -> Figure | None:
    """Scores over the attraction that reaches the encoder, a row a point with its spread.

    Returns:
        None if no row has both.
    """
    points = {}
    for name in runs:
        mine = [line for line in finished(runs, name) if not math.isnan(line["attraction_ratio"])]
        if mine:
            points[name] = mine
    if not points:
        return None
    with style():
        figure = Figure(figsize=(9.2, 0.25 * len(points) + 2.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        order = sorted(points, key=lambda name: _mean(points[name], "attraction_ratio"))
        for axes, (score, label) in zip(panels, SCORES.items(), strict=True):
            for color, name in zip(itertools.cycle(COLORS), order, strict=False):
                values = [line[score] for line in points[name]]
                axes.errorbar(
                    _mean(points[name], "attraction_ratio"),
                    statistics.mean(values),
                    statistics.stdev(values) if len(values) > 1 else 0,
                    fmt="o",
                    color=color,
                    label=rows.title(name),
                )
            axes.set_title(label)
            axes.set_xlabel("attraction over repulsion at the encoder")
        panels[0].invert_xaxis()
        panels[1].invert_xaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _mean(lines: Lines, key: str) -> float:
    return statistics.mean(line[key] for line in lines)


def at_equal_time(lines: Lines, rows: Rows) -> dict[tuple[int, int], dict[str, Lines]]:
    """Runs that took about the same time: the slow row's, and those of others with more epochs.

    Returns:
        By the epochs of the slow row and of the others; those alone of which there are both.
    """
    slow, found = rows.equal_time["row"], {}
    for few, many in rows.equal_time["epochs"].items():
        at = {
            epochs: [line for line in lines if line["budget"]["epochs"] == epochs]
            for epochs in (few, many)
        }
        mine = by_row(at[few], rows).get(slow)
        others = by_row(at[many], rows)
        if mine and others:
            found[few, many] = {name: line for name, line in others.items() if name != slow}
            found[few, many][slow] = mine
    return found


def write_report(results: Path, rows: Rows, figures: Path) -> list[Path]:
    """Write a page of tables beside the results file, and a figure per budget.

    Args:
        results: The results file.
        rows: The rows, whose order and titles are used; runs of other settings are left out.
        figures: Folder for the figures.

    Returns:
        The files that were written.
    """
    lines = Results(results).read()
    budgets: list[dict[str, Any]] = []
    for line in lines:
        if line["budget"] not in budgets:
            budgets.append(line["budget"])
    page = [f"# {results.stem}", "", "Mean ± standard deviation over seeds.", ""]
    written = [results.with_suffix(".md")]
    figures.mkdir(parents=True, exist_ok=True)
    for budget in budgets:
        runs = by_row([line for line in lines if line["budget"] == budget], rows)
        if not runs:
            continue
        page += [", ".join(f"{key} {value}" for key, value in budget.items()), ""]
        page += [*table(runs, rows), "", *comparisons(runs, rows), "", *label_free_ranks(runs)]
        drawn = {"": draw(runs, rows), "-attraction": draw_attraction(runs, rows)}
        for kind, figure in drawn.items():
            if figure is None:
                continue
            path = figures / f"study_{results.stem}-{budget['epochs']}{kind}.png"
            with style():
                figure.savefig(path)
            written.append(path)
    for (few, many), runs in at_equal_time(lines, rows).items():
        slow = rows.title(rows.equal_time["row"])
        page += [f"## At equal time: {few} epochs of {slow}, {many} of the others", ""]
        page += [*table(runs, rows), "", *comparisons(runs, rows), ""]
        path = figures / f"study_{results.stem}-equal-time-{few}.png"
        with style():
            draw(runs, rows).savefig(path)
        written.append(path)
    written[0].write_text("\n".join(page))
    return written
