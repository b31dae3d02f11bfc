"""Tables of probe scores and of the files of a run."""

from collections.abc import Sequence

from rich.table import Table

RAW, UNTRAINED, AT_START = "raw pixels", "untrained encoder", "encoder at the start"
TRAINED = "trained encoder"


def score_table(
    scores: dict[str, dict[str, float]], names: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows, in percent; the trained encoder comes last."""
    short = [name.split("/", 1)[-1].removesuffix("_top1") for name in names]
    head = ["representation", *({"knn": "kNN"}.get(name, name) for name in short)]
    rows = []
    for row in (RAW, UNTRAINED, AT_START, TRAINED):
        if scores.get(row):
            values = [scores[row].get(name) for name in names]
            cells = ["–" if value is None else f"{100 * value:.2f}" for value in values]
            rows.append([row, *cells])
    return head, rows


def rich_table(scores: dict[str, dict[str, float]], names: list[str]) -> Table:
    """Rows of representations, columns of scores."""
    head, rows = score_table(scores, names)
    table = Table(title="Probe scores, top-1 in %", title_justify="left", title_style="bold")
    for column, name in enumerate(head):
        table.add_column(name, justify="right" if column else "left")
    for row in rows:
        is_best = row is rows[-1] and trained_is_best(rows)
        table.add_row(*row, style="bold" if is_best else "")
    return table


def trained_is_best(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last row is the trained encoder's, and above all others in every column.

    Args:
        rows: Of `score_table`.
    """
    if not rows or rows[-1][0] != TRAINED:
        return False
    *others, trained = ([_value(cell) for cell in row[1:]] for row in rows)
    return all(score > other[column] for other in others for column, score in enumerate(trained))


def _value(cell: str) -> float:
    return -1.0 if cell == "–" else float(cell)


def file_list(files: dict[str, str]) -> Table:
    """What was written, and where."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for kind, path in files.items():
        table.add_row(kind, path)
    return table
