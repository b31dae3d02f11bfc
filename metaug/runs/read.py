"""The folder of a run: what it says, and what its files suggest where it does not."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from metaug.runs.metrics_file import FILE as METRICS, Metrics, read_metrics
from metaug.runs.run import Run
from metaug.runs.settings import settings_of
from metaug.runs.status import FILE as STATUS, Status, read_status

CONFIG = "config.yaml"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LATELY = 600.0


def read_run(folder: str | Path) -> Run:
    r"""Read the folder of a run: `config.yaml`, `metrics.csv`, `status.json`.

    Args:
        folder: The folder, such as `runs/digits/version_0`.

    Raises:
        ValueError: There is no config of a run, or it cannot be read.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     text = "trainer: {max_epochs: 3}\nmodel: {class_path: metaug.MetAug}\n"
        ...     _ = (Path(folder) / "config.yaml").write_text(text)
        ...     lines = "epoch,step,val/knn_top1\n0,9,0.5\n1,19,0.7\n"
        ...     _ = (Path(folder) / "metrics.csv").write_text(lines)
        ...     run = read_run(folder)
        >>> run.settings["model"], run.epoch, run.max_epochs, run.last("val/knn_top1")
        ('MetAug', 2, 3, 0.7)
    """
    return _read(Path(folder), ())


def _read(folder: Path, later: tuple[Path, ...]) -> Run:
    config = _read_config(folder / CONFIG)
    metrics = read_metrics(folder)
    problems = [metrics.problem] if metrics.problem else []
    try:
        status = read_status(folder)
    except ValueError as error:
        status = None
        problems.append(str(error))
    limit = config["trainer"].get("max_epochs")
    run = Run(
        folder=folder,
        settings=settings_of(config),
        series=metrics.series,
        max_epochs=limit if isinstance(limit, int) and limit >= 0 else None,
        problems=tuple(problems),
    )
    if status is None:
        return _judged(run, metrics, config["trainer"].get("max_steps"))
    return _joined(_told(run, status), later)


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = _parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(
            f"no {CONFIG}: an evaluation, or a run that ended before its first step"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{CONFIG} cannot be read: {reason}") from error
    if not isinstance(config.get("trainer"), dict) or not isinstance(config.get("model"), dict):
        raise ValueError(f"{CONFIG} has no `trainer` and `model`: not of `metaug fit`")
    return config


def _parse(text: str) -> dict[str, Any]:
    """Parse a config by its parts: of runs of one setting they are the same, and parsed once."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line[0] not in " -#\n":
            parts.append([])
        parts[-1].append(line)
    config: dict[str, Any] = {}
    for part in parts:
        content = _parse_part("".join(part))
        config |= content if isinstance(content, dict) else {}
    return config


@lru_cache(maxsize=512)
def _parse_part(text: str) -> Any:
    return yaml.load(text, _Loader)


def _told(run: Run, status: Status) -> Run:
    """The run by its own word."""
    seconds = status.seconds
    if status.state == "running":
        seconds = max(seconds, time.time() - status.started)
    return replace(
        run,
        state=status.state,
        epoch=status.epoch,
        started=datetime.fromtimestamp(status.started, UTC),
        seconds=seconds,
        training_seconds=dict(
            zip(status.epochs.epoch, status.epochs.training_seconds, strict=False)
        ),
        command=status.command,
        reason=status.reason,
        resumed_from=status.resumed_from,
        device=status.device,
        version=status.version,
    )


def _judged(run: Run, metrics: Metrics, max_steps: int | None) -> Run:
    """The run as its logs and files suggest, for one that wrote no status."""
    of_epochs = [series for name, series in run.series.items() if name.startswith("val/")]
    logged = of_epochs or list(run.series.values())
    epoch = max((max(series) for series in logged if series), default=0)
    began = (run.folder / CONFIG).stat().st_mtime
    log = run.folder / METRICS
    ended = log.stat().st_mtime if log.exists() else began
    enough_steps = bool(max_steps and max_steps > 0 and (metrics.step or 0) + 1 >= max_steps)
    if (run.max_epochs is not None and epoch >= run.max_epochs) or enough_steps:
        state = "finished"
    else:
        state = "running" if time.time() - ended < _LATELY else "unfinished"
    return replace(
        run,
        state=state,
        epoch=epoch,
        started=datetime.fromtimestamp(began, UTC),
        seconds=ended - began if ended - began > 1 else None,
        seconds_known=False,
    )


def _joined(run: Run, later: tuple[Path, ...]) -> Run:
    """A resumed run with the epochs before, if what it went on from is still there."""
    if run.resumed_from is None:
        return run
    folder = folder_before(run.folder, run.resumed_from)
    if folder.resolve() in (*later, run.folder.resolve()):
        return run
    try:
        before = _read(folder, (*later, run.folder.resolve()))
    except ValueError:
        problem = f"the run that it went on from is not there: {run.resumed_from}"
        return replace(run, problems=(*run.problems, problem))
    own = [min(series) for series in run.series.values() if series]
    first = min([*own, *run.training_seconds, run.epoch + 1])
    kept = {
        name: {epoch: value for epoch, value in series.items() if epoch < first}
        for name, series in before.series.items()
    }
    names = dict.fromkeys([*before.series, *run.series])
    spent = before.training_seconds.get(first - 1, 0.0)
    times = {epoch: time for epoch, time in before.training_seconds.items() if epoch < first}
    times |= {epoch: spent + time for epoch, time in run.training_seconds.items()}
    return replace(
        run,
        series={name: kept.get(name, {}) | run.series.get(name, {}) for name in names},
        training_seconds=times,
    )


def folder_before(folder: Path, checkpoint: str) -> Path:
    """The folder of the run that another one went on from.

    Args:
        folder: Of that other one, beside which it may lie after both were moved.
        checkpoint: Which it went on from.
    """
    before = Path(checkpoint).parent.parent
    return before if before.is_dir() else folder.absolute().parent / before.name


def is_run(names: set[str]) -> bool:
    """Whether a folder with files of these names is, or was, a run's."""
    return bool(names & {CONFIG, METRICS, STATUS, "hparams.yaml"}) or any(
        name.startswith("events.out.tfevents") for name in names
    )
