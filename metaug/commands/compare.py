"""The command `metaug compare`: one page of several runs."""

from pathlib import Path

from metaug.options import OptionParser

USAGE = """\
usage: metaug compare RUN RUN ... [--output FILE] [--title TITLE]

Compare runs on one HTML page: curves together over epochs and over training time, the settings that
differ, last and best scores, mean ± standard deviation over runs that differ by seed alone, and the
commands. The scores are printed too.

  RUN            folder of a run, a folder that holds some, or a pattern ('runs/digits/*')
  --output FILE  where to write; by default comparison.html
  --title TITLE  its heading

  metaug compare runs/digits --output digits.html
"""


def run(options: list[str]) -> int:
    """Compare runs.

    Args:
        options: What follows the command.
    """
    from rich.console import Console

    from metaug.runs import compare
    from metaug.runs.scores import print_scores

    parser = OptionParser("compare")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--output", type=Path, default=Path("comparison.html"))
    parser.add_argument("--title")
    given = parser.parse_args(options)
    comparison = compare(given.runs)
    console = Console(highlight=False)
    print_scores(console, comparison)
    for note in comparison.warnings:
        console.print(f"note: {note}", style="yellow", markup=False)
    for folder, reason in comparison.unreadable.items():
        console.print(f"left out: {folder}: {reason}", style="yellow", markup=False)

    from metaug.runs.page import write_page  # takes seconds: what draws imports torch

    write_page(comparison, given.output, given.title)
    print(f"written: {given.output}")
    return 0
