"""The folder of a sweep: what it searches, written once, and its trials."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from metaug.options import configs_first
from metaug.settings.config_layers import flat, read_config, settings
from metaug.sweeps.fit_command import arguments, check_options
from metaug.sweeps.sweep_file import Sweep, check_sweep

SETTINGS = "sweep.yaml"
_MAY_CHANGE = ("run_cap", "name", "description", "project", "entity", "program")


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep lies and what it is.

    Args:
        path: The folder, an absolute path.
        sweep: What is searched.
        options: What the user gives all trials.
        seed: Of the proposals.
    """

    path: Path
    sweep: Sweep
    options: list[str]
    seed: int

    @property
    def name(self) -> str:
        """The sweep's name, which is the folder's."""
        return self.path.name

    def trial(self, number: int) -> Path:
        """The folder of a trial."""
        return self.path / "trials" / f"{number:03d}"

    def common_options(self) -> list[str]:
        """Options of `metaug fit` that are the same for all trials, before what is proposed."""
        return [*self.sweep.options, *self.options, *arguments(self.sweep.constants)]


def open_folder(
    path: Path, content: dict[str, Any] | None, options: Sequence[str], seed: int | None
) -> SweepFolder:
    """Begin a sweep in a folder, or go on with the one that is there.

    Args:
        path: The folder.
        content: The sweep file; None for that of the folder.
        options: What the user gives all trials; with None above, that of the folder if empty.
        seed: Of the proposals; None for that of the folder, or 0.

    Raises:
        FileNotFoundError: No file is given, and the folder has none.
        ValueError: The folder is of another sweep, or an option is one that a sweep sets itself.
    """
    path = path.absolute()
    file = path / SETTINGS
    before = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    if content is None:
        if before is None:
            raise FileNotFoundError(f"{path} holds no sweep; give one by --config FILE")
        content = before["sweep"]
        options = options or before["options"]
    assert content is not None
    sweep = check_sweep(content)
    check_options(options, [*content["parameters"]])
    if seed is None:
        seed = int((before or {}).get("sampler_seed", 0))
    now = {
        "sweep": content,
        "options": list(options),
        "configs": _configs([*sweep.options, *options]),
        "sampler_seed": seed,
    }
    if before is None:
        path.mkdir(parents=True, exist_ok=True)
        whole = file.with_suffix(".new")
        whole.write_text(yaml.safe_dump(now, sort_keys=False, allow_unicode=True), encoding="utf-8")
        whole.replace(file)
    elif (difference := _difference(before, now)) is not None:
        raise ValueError(
            f"{path} holds another sweep: {difference}; give another --folder, or remove this one"
        )
    return SweepFolder(path, sweep, list(options), seed)


def _configs(options: Sequence[str]) -> dict[str, Any]:
    """The content of the configs that all trials are made of, so that a change is noticed."""
    paths = [Path(value) for flag, value in settings(configs_first(options)) if flag == "--config"]
    return {path.name: dict(flat(read_config(path))) for path in paths}


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    for part, name in (("sweep", "its"), ("configs", "its config")):
        theirs, ours = _entries(before[part]), _entries(now[part])
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            if key not in _MAY_CHANGE and theirs.get(key) != ours.get(key):
                then, today = _is(key, theirs), _is(key, ours)
                return f"{name} {key} {then}, and that of this command {today}"
    for part, name in (("options", "options"), ("sampler_seed", "--sampler_seed")):
        if before[part] != now[part]:
            return f"its {name}: {_shown(before[part])}; those of this command: {_shown(now[part])}"
    return None


def _entries(part: Any) -> dict[str, Any]:
    return json.loads(json.dumps(dict(flat(part)), default=str))


def _is(key: str, entries: Mapping[str, Any]) -> str:
    return f"is {entries[key]}" if key in entries else "is missing"


def _shown(value: Any) -> str:
    return (" ".join(value) or "none") if isinstance(value, list) else str(value)
