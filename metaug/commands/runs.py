"""The command `metaug runs`: a table of the runs in folders."""

from pathlib import Path

from metaug.options import OptionParser

USAGE = """\
usage: metaug runs [FOLDER ...] [--sort NAME] [--filter KEY=VALUE ...] [--csv FILE]

List the runs in `runs/`, or in other folders and all below them: epochs, last and best probe scores
in %, time, when they began and their state; below each what it is of and which settings differ.

  --sort NAME         by a score (kNN, linear, val/knn_top1), another logged name, or epoch, time,
                      when, state
  --filter KEY=VALUE  only runs of this setting, such as seed=0, generator=none, data=Digits or
                      state=finished; several must all hold
  --csv FILE          write all scores and all settings that differ, a row for each run

States: finished; running; stopped (Ctrl-C, SIGTERM); killed (its process is gone); failed (an
error); silent (on another machine, no sign of life for ten minutes); unfinished (of a version that
left no status, fewer epochs logged than it was to make).

  metaug runs runs/digits --sort linear --filter generator=none
"""


def run(options: list[str]) -> int:
    """List runs.

    Args:
        options: What follows the command.
    """
    from rich.console import Console

    from metaug.runs.find import read_runs
    from metaug.runs.listing import print_runs, total, write_csv
    from metaug.runs.selection import filtered, sorted_runs

    parser = OptionParser("runs")
    parser.add_argument("folders", nargs="*", default=["runs"])
    parser.add_argument("--sort", default="")
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--csv")
    given = parser.parse_args(options)
    runs, unreadable = read_runs(given.folders)
    if not runs and not unreadable:
        raise ValueError(f"there is no run in {', '.join(given.folders)}")
    for condition in given.filter:
        runs = filtered(runs, condition)
    name = ""
    if given.sort:
        runs, name = sorted_runs(runs, given.sort)
    console = Console(highlight=False)
    top = Path(given.folders[0]) if len(given.folders) == 1 else Path()
    print_runs(console, runs, unreadable, top, name)
    console.print(total(runs), style="dim")
    if given.csv:
        write_csv(runs, Path(given.csv))
        print(f"written: {given.csv}")
    return 0
