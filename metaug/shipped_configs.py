"""The configs that ship with the package: find one by name, list them, say what each is for."""

import warnings
from importlib.resources import files
from pathlib import Path

_RENAMED = {"papers_form.yaml": "paper_form.yaml"}  # until 0.3


def shipped_configs() -> dict[str, Path]:
    """The shipped YAML files by their path below `configs/`: `digits.yaml`, `sweeps/grid.yaml`."""
    root = Path(str(files("metaug.configs")))
    return {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*.yaml"))}


def find_config(name: str) -> Path:
    """The file that `--config NAME` means; the old name of a renamed config warns of the new one.

    Args:
        name: A path to a file of the user's own, or the name of a shipped config: `digits.yaml`,
            `digits`, `overlays/simclr.yaml`, or `simclr` where only one folder has such a file.

    Returns:
        The path as given if there is such a file, else that of the shipped config.

    Raises:
        FileNotFoundError: There is neither such a file nor such a shipped config.

    Examples:
        >>> find_config("simclr").name
        'simclr.yaml'
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_configs()
    folder, slash, file_name = name.rpartition("/")
    if not file_name.endswith((".yaml", ".yml", ".json")):
        file_name += ".yaml"
    if file_name in _RENAMED:
        warnings.warn(f"{file_name} is called {_RENAMED[file_name]} now", stacklevel=2)
        file_name = _RENAMED[file_name]
    if folder + slash + file_name in shipped:
        return shipped[folder + slash + file_name]
    same_name = [path for path in shipped.values() if path.name == file_name]
    if len(same_name) == 1 and not folder:
        return same_name[0]
    raise FileNotFoundError(
        f"no config file {name!r} in {Path.cwd()}, and none of that name is shipped; "
        f"shipped are: {', '.join(shipped)}"
    )


def purpose(config: Path) -> str:
    """The first comment line of a config: what it is for, in a line."""
    first = config.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
