"""The house: who may import whom, no circle, few doors on a top storey, no file too long."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("lightning_modules", "datamodules", "callbacks", "metaug")
# which sub-rooms a sub-room may import, beside itself
MAY_IMPORT = {
    "lightning_modules": {
        "arguments": set(),
        "checkpoints": set(),
        "distributed": set(),
        "networks": {"arguments", "checkpoints"},
        "objectives": {"arguments", "checkpoints"},
        "meta_gradient": {"arguments", "distributed"},
        "training": {"arguments", "distributed", "meta_gradient", "networks", "objectives"},
        "evaluation": {"checkpoints", "distributed", "networks"},
    },
    "datamodules": {
        "transforms": set(),
        "views": {"transforms"},
        "sources": {"transforms"},
        "loading": {"sources", "transforms", "views"},
    },
    "callbacks": {
        "probing": set(),
        "plotting": set(),
        "artifacts": {"probing", "plotting"},
        "checkpointing": set(),
        "monitors": {"artifacts", "plotting", "probing"},
    },
}
MOST_ARROWS = {"lightning_modules": 35, "callbacks": 45, "datamodules": 45}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Dotted names of this project that a file imports, `metaug.<room>.<...>`."""
    package = ["metaug", *file.relative_to(ROOT).parts[:-1]]
    package = package[1:] if package[:2] == ["metaug", "metaug"] else package
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "metaug"}


def units(room: str) -> set[str]:
    """What stands on a room's top storey: files and sub-rooms."""
    inside = (ROOT / room).iterdir()
    return {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}


def arrows(room: str) -> set[tuple[str, str]]:
    """Imports from one unit of a room's top storey to another."""
    known, found = units(room), set()
    for file in files(room):
        here = file.relative_to(ROOT / room).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for name in imports(file):
            parts = name.split(".")
            if parts[1:2] == [room] and len(parts) > 2 and parts[2] in known - {here}:
                found.add((here, parts[2]))
    return found


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("lightning_modules", ("datamodules", "callbacks")),
        ("datamodules", ("lightning_modules", "callbacks")),
        ("callbacks", ()),
    ],
)
def test_rooms_import_no_room_above_them(room, others):
    allowed = {room, "lightning_modules", "datamodules"} - set(others)
    for file in files(room):
        rooms = {name.split(".")[1] for name in imports(file) if "." in name}
        assert rooms <= allowed, file


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_sub_rooms_import_what_they_may(room):
    below = MAY_IMPORT[room]
    folders = {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
    assert set(below) == folders
    for here, there in arrows(room):
        if here in below:
            assert there in below[here], f"{room}/{here} imports {there}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_circle_and_few_arrows_on_the_top_storey(room):
    graph: dict[str, set[str]] = {}
    for here, there in arrows(room):
        graph.setdefault(here, set()).add(there)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle in {room}: {error.args[1]}")
    assert len(arrows(room)) <= MOST_ARROWS[room]


@pytest.mark.parametrize("room", ROOMS)
def test_no_circle_between_files(room):
    prefix = "metaug" if room == "metaug" else f"metaug.{room}"

    def dotted(file: Path) -> str:
        parts = file.relative_to(ROOT / room).with_suffix("").parts
        return ".".join([prefix, *(part for part in parts if part != "__init__")])

    known = {dotted(file) for file in files(room)}
    graph = {}
    for file in files(room):
        if file.name == "__init__.py":  # re-exports
            continue
        targets = {name if name in known else name.rpartition(".")[0] for name in imports(file)}
        graph[dotted(file)] = targets & known - {dotted(file)}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("room", ROOMS)
def test_the_top_storey_is_small(room):
    assert len([path for path in (ROOT / room).glob("*.py") if path.stem[0] != "_"]) <= 16


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_each_sub_room_says_what_it_is(room):
    for file in (ROOT / room).glob("**/__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def test_no_file_is_too_long():
    folders = (*ROOMS, "benchmarks", "examples", "configs", "docs")
    for file in (path for folder in folders for path in files(folder)):
        lines = file.read_text(encoding="utf-8").count("\n")
        assert lines <= 300, f"{file} has {lines} lines"
