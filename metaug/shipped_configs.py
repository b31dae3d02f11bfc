"""The configs that ship with the package: find one by name, list them, say what each is for."""

from importlib.resources import files
from pathlib import Path


def shipped_configs() -> dict[str, Path]:
    """The shipped YAML files by their path below `configs/`: `digits.yaml`, `sweeps/grid.yaml`."""
    root = Path(str(files("metaug.configs")))
    return {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*.yaml"))}


def find_config(name: str) -> Path:
    """The file that `--config NAME` means.

    Args:
        name: A path to a file of the user's own, or the name of a shipped config: `digits.yaml`,
            `digits`, `overlays/simclr.yaml`, or `simclr` where only one folder has such a file.

    Returns:
        The path as given if there is such a file, else that of the shipped config.

    Raises:
        FileNotFoundError: There is neither such a file nor such a shipped config.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_configs()
    wanted = name if name.endswith((".yaml", ".yml", ".json")) else f"{name}.yaml"
    if wanted in shipped:
        return shipped[wanted]
    by_file_name = [path for path in shipped.values() if path.name == wanted]
    if len(by_file_name) == 1:
        return by_file_name[0]
    raise FileNotFoundError(
        f"no config file {name!r} in {Path.cwd()}, and none of that name is shipped; "
        f"shipped are: {', '.join(shipped)}"
    )


def purpose(config: Path) -> str:
    """The first comment line of a config: what it is for, in a line."""
    first = config.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
