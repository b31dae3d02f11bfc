"""The scores of a comparison as rows of text, for the page and for the terminal."""

from rich.console import Console
from rich.table import Table

from metaug.runs.comparison import Comparison, Group
from metaug.runs.statistic import Statistic
from metaug.runs.words import duration, percent, short_score

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letter(index: int) -> str:
    """What a group is called where its label is too long: A to Z, then A2 and so on."""
    round_number, place = divmod(index, len(LETTERS))
    return LETTERS[place] + (str(round_number + 1) if round_number else "")


def mean_and_deviation(value: Statistic, size: int) -> str:
    """A score in percent, `93.59 ± 1.20`; with the number of runs where some have none.

    Args:
        value: Of a group.
        size: How many runs the group has.

    Examples:
        >>> mean_and_deviation(Statistic(0.9359, 0.012, 2, 1), 3)
        '93.59 ± 1.20 (2 of 3)'
    """
    text = percent(value.mean)
    if value.deviation is not None:
        text += f" ± {percent(value.deviation)}"
    return text + (f" ({value.n} of {size})" if 0 < value.n < size else "")


def score_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a group's runs, epoch, its scores, and the training time."""
    head = ["", "runs", "epoch"]
    equal = epochs_for_all(comparison)
    for name in comparison.scores:
        word = short_score(name)
        head += [f"{word}, last", f"{word}, best"]
        if equal is not None:
            head.append(f"{word}, epoch {equal}")
    rows = []
    for index, group in enumerate(comparison.groups):
        size = len(group.runs)
        epoch, time = _epoch_and_time(comparison, group)
        row = [letter(index), str(size), epoch]
        for name in comparison.scores:
            values = [group.at(name, group.epoch(name)), group.best(name)]
            values += [group.at(name, equal)] if equal is not None else []
            row += [mean_and_deviation(value, size) for value in values]
        rows.append([*row, time])
    return [*head, "training time"], rows


def epochs_for_all(comparison: Comparison) -> int | None:
    """The epoch at which all runs can be compared, where their last ones are not the same."""
    runs, names = comparison.runs, comparison.scores
    ends = {max(run.series[name]) for run in runs for name in names if run.series.get(name)}
    return comparison.common_epoch if len(ends) > 1 else None


def _epoch_and_time(comparison: Comparison, group: Group) -> tuple[str, str]:
    epochs = [epoch for name in comparison.scores if (epoch := group.epoch(name)) is not None]
    if not epochs:
        return "–", "–"
    return str(max(epochs)), duration(group.training_seconds(max(epochs)).mean)


def print_scores(console: Console, comparison: Comparison) -> None:
    """Print a row for each group, its last scores above its best ones.

    Args:
        console: Whose width decides.
        comparison: What `compare` gave.
    """
    table = Table(title="Scores, top-1 in %", title_justify="left", title_style="bold")
    table.add_column("runs that differ by seed alone", ratio=1, overflow="fold")
    table.add_column("n", justify="right")
    table.add_column("epoch", justify="right")
    equal = epochs_for_all(comparison)
    for name in comparison.scores:
        table.add_column(short_score(name), justify="right", no_wrap=True)
    for group in comparison.groups:
        size = len(group.runs)
        cells = []
        for name in comparison.scores:
            lines = [
                mean_and_deviation(group.at(name, group.epoch(name)), size),
                f"best {mean_and_deviation(group.best(name), size)}",
            ]
            if equal is not None:
                lines.append(f"at {equal}: {mean_and_deviation(group.at(name, equal), size)}")
            cells.append("\n".join(lines))
        epoch, _ = _epoch_and_time(comparison, group)
        table.add_row("\n".join(group.label.split(", ")), str(size), epoch, *cells)
    console.print(table)
