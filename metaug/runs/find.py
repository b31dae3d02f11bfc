"""The runs in folders."""

import os
import re
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from metaug.runs.read import is_run, read_run
from metaug.runs.run import Run

_INSIDE_A_RUN = {"checkpoints", "export", "features", "figures"}


def read_runs(folders: Iterable[str | Path]) -> tuple[list[Run], dict[Path, str]]:
    r"""The runs of folders and of all folders below them.

    Args:
        folders: Folders of runs, folders that hold some, or patterns such as `runs/digits/*`.

    Returns:
        The runs, each once, ordered as their folders are given and below that by name, numbers by
        their size; and the folders that look like a run's and cannot be read, with the reason.

    Raises:
        FileNotFoundError: There is no such folder, or no folder of the pattern.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for number in (0, 10, 9):
        ...         run = Path(folder) / f"version_{number}"
        ...         run.mkdir()
        ...         _ = (run / "config.yaml").write_text("trainer: {}\nmodel: {}\n")
        ...     _ = (run / "config.yaml").write_text("key: [")
        ...     runs, unreadable = read_runs([folder])
        >>> [run.folder.name for run in runs], [path.name for path in unreadable]
        (['version_0', 'version_10'], ['version_9'])
    """
    runs: list[Run] = []
    unreadable: dict[Path, str] = {}
    seen: set[Path] = set()
    for folder in folders:
        for path in _matching(folder):
            for candidate in _candidates(path):
                if candidate.resolve() in seen:
                    continue
                seen.add(candidate.resolve())
                try:
                    runs.append(read_run(candidate))
                except ValueError as error:
                    unreadable[candidate] = str(error)
    return runs, unreadable


def _matching(folder: str | Path) -> list[Path]:
    if Path(folder).is_dir():
        return [Path(folder)]
    paths = [Path(path) for path in glob(str(folder), recursive=True)]
    if not paths:
        raise FileNotFoundError(
            f"no folder {str(folder)!r} in {Path.cwd()}; runs lie in `runs/` unless their config "
            "says otherwise"
        )
    return sorted((path for path in paths if path.is_dir()), key=_natural)


def _candidates(top: Path) -> list[Path]:
    candidates = []
    for path, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name[0] != "." and name not in _INSIDE_A_RUN]
        if is_run(set(files)):
            candidates.append(Path(path))
    return sorted(candidates, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
