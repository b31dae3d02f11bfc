"""From the words of `metaug sweep` to a sweep that runs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaug.shipped_configs import find_config
from metaug.sweeps.devices import shares, usable_cores, visible_gpus
from metaug.sweeps.fit_command import arguments, check_options
from metaug.sweeps.folder import SETTINGS, SweepFolder, open_folder
from metaug.sweeps.local_sweep import LocalSweep
from metaug.sweeps.report import show
from metaug.sweeps.study import Study
from metaug.sweeps.sweep_file import Sweep, check_sweep, read_sweep
from metaug.sweeps.trial_process import check_accepted

_OWN = ("--count", "--parallel", "--folder", "--sampler_seed")


def run_sweep(options: Sequence[str]) -> int:
    """Train the trials of a sweep, and show what they found.

    Args:
        options: What follows `metaug sweep`.

    Returns:
        The exit code.

    Raises:
        ValueError: An option, the sweep file or the folder is not what it has to be.
    """
    own, file, others = _split(options)
    count, parallel = _number("--count", own, least=0), _number("--parallel", own, least=1)
    content = None if file is None else read_sweep(find_config(file))
    if file is None and "--folder" not in own:
        raise ValueError("metaug sweep needs --config FILE, or --folder of a sweep that was begun")
    path = Path(own.get("--folder") or Path("sweeps") / Path(str(file)).stem)
    if content is not None and not (path / SETTINGS).is_file():  # before the folder is made
        sweep = check_sweep(content)
        _limit(sweep, count)
        check_options(others, content["parameters"])
        check_accepted([*sweep.options, *others, *arguments(sweep.example)])
    folder = open_folder(path, content, others, _number("--sampler_seed", own, least=0))
    study = Study(folder.sweep, folder.path, folder.seed)
    code = 0
    if count != 0:
        code = _train(folder, study, count, parallel or 1)
    show(folder, study, figure=code == 0)  # who pressed Ctrl-C does not wait
    return code


def _train(folder: SweepFolder, study: Study, count: int | None, parallel: int) -> int:
    sweep = folder.sweep
    count = _limit(sweep, count)
    parallel = min(parallel, count)  # nobody waits for a part of the machine
    gpus = visible_gpus(os.environ) if parallel > 1 else []
    names = {"random": "random", "grid": "grid", "bayes": "Bayes (TPE)"}
    where = f"{len(gpus)} GPUs" if gpus else f"{usable_cores()} cores"
    at_once = f", {parallel} at once on {where}" if parallel > 1 else ""
    print(
        f"{names[sweep.method]} search of {len(sweep.parameters)} parameters for "
        f"{sweep.metric}: {count} trials{at_once}; {folder.path}",
        flush=True,
    )
    return LocalSweep(folder, study, shares(parallel, gpus)).run(count)


def _limit(sweep: Sweep, count: int | None) -> int:
    """Trials in all."""
    limits = [limit for limit in (count, sweep.grid_size, sweep.run_cap) if limit is not None]
    if not limits:
        raise ValueError("--count N says how many trials, where the file has no run_cap")
    return min(limits)


def _split(options: Sequence[str]) -> tuple[dict[str, str], str | None, list[str]]:
    """This command's own options, the sweep file, and the options of `metaug fit`."""
    own: dict[str, str] = {}
    file: str | None = None
    others: list[str] = []
    remaining = list(options)
    while remaining:
        flag, equals, value = remaining.pop(0).partition("=")
        is_file = flag in ("--config", "-c") and file is None
        if flag not in _OWN and not is_file:
            others.append(flag + equals + value)
            continue
        if not equals:
            value = remaining.pop(0) if remaining else ""
        if not value or value.startswith("--"):
            raise ValueError(f"{flag} needs a value; `metaug sweep --help`")
        if is_file:
            file = value
        else:
            own[flag] = value
    return own, file, others


def _number(flag: str, own: dict[str, Any], *, least: int) -> int | None:
    if flag not in own:
        return None
    text = own[flag]
    if not text.isdigit() or int(text) < least:
        raise ValueError(f"{flag} must be a whole number from {least} on, got {text!r}")
    return int(text)
