"""Every example in a docstring runs, and every public class has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import metaug

ROOMS = ("metaug.lightning_modules", "metaug.datamodules", "metaug.callbacks", "metaug.runs")
FINDER = doctest.DocTestFinder(exclude_empty=True)


def modules() -> list[str]:
    names = []
    for room in ROOMS:
        package = importlib.import_module(room)
        names += [room, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{room}."))]
    return names


def classes() -> dict[str, type]:
    found: dict[str, type] = {}
    for room in ROOMS:
        package = importlib.import_module(room)
        found |= {
            f"{room}.{name}": value
            for name, value in vars(package).items()
            if inspect.isclass(value) and value.__module__.startswith("metaug.")
        }
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_run(name, monkeypatch):
    assert metaug.__version__
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    report: list[str] = []
    for test in FINDER.find(importlib.import_module(name), name):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("name", classes())
def test_every_public_class_has_an_example(name):
    kind = classes()[name]
    if issubclass(kind, tuple | Exception):  # named tuples and errors say all in their attributes
        return
    assert ">>>" in (kind.__doc__ or ""), f"{name} needs an Examples: section"


@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_shows_every_public_class(room):
    """The docs list what `__all__` names."""
    package = importlib.import_module(room)
    public = {name.rpartition(".")[2] for name in classes() if name.startswith(f"{room}.")}
    assert public <= set(package.__all__)
