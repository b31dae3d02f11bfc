"""Runs that are over or under way: read their folders, list them, compare them.

Nothing here needs torch but `StatusFile`, the callback by which a run says what it is at, and the
drawing of a page.
"""

from metaug.runs.comparison import Comparison, compare
from metaug.runs.find import read_runs
from metaug.runs.groups import Group
from metaug.runs.read import read_run
from metaug.runs.run import Run
from metaug.runs.statistic import Statistic

__all__ = ["Comparison", "Group", "Run", "Statistic", "compare", "read_run", "read_runs"]
