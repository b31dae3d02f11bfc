"""Folders of every odd kind through the data module: right, or one short error that names it.

`python -m benchmarks.robustness.folders` makes each kind of `folder_kinds`, `split_kinds` and
`file_kinds` with several seeds, loads it, reads all batches of training, bank, validation and test,
and compares counts, classes, labels and gray levels with what was put in.
"""

import argparse
import random
import tempfile
import time
import warnings
from collections import Counter
from datetime import date
from pathlib import Path

import torch
from metaug.datamodules import ImageFolderDataModule
from metaug.datamodules.sources.image_source import ImageSource

from ..machine import describe_machine
from . import file_kinds, folder_kinds, split_kinds  # noqa: F401  (they register their kinds)
from .image_folders import KINDS, Folder

REPORTS = Path(__file__).with_name("reports")
MOST_SECONDS = 5.0


def try_kind(name: str, seed: int) -> str:
    """Make a folder of a kind and load it.

    Returns:
        What happened: `right`, `right, N warnings`, or `refused`.

    Raises:
        AssertionError: If it is not what must happen.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "images"
        root.mkdir()
        folder = Folder(root, random.Random(f"{name} {seed}"))
        KINDS[name](folder)
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            error = _load(folder)
        assert time.perf_counter() - start < MOST_SECONDS, "too slow"
        if folder.error or error is not None:
            return _check_error(folder, error)
        said = [str(warning.message) for warning in caught]
        said = [line for line in said if not line.startswith("Corrupt EXIF")]  # of Pillow
        _check_warnings(folder, said)
        return "right" + f", {len(said)} warning(s)" * bool(said)


def _load(folder: Folder) -> Exception | None:
    try:
        data = ImageFolderDataModule(
            str(folder.root),
            image_size=16,
            batch_size=2,
            num_workers=0,
            val_fraction=0.0,
            in_memory=folder.draw.choice([False, True, "auto"]),
            **folder.settings,
        )
        data.setup("fit")
        _check(folder, data)
        data.teardown("fit")
    except (ValueError, OSError) as error:
        return error
    return None


def _check(folder: Folder, data: ImageFolderDataModule) -> None:
    batches = list(data.train_dataloader())
    assert all(len(view) == 2 for batch in batches for view in batch.views)
    names = sorted(name for name in folder.train if name)
    assert sorted(data.class_names) == names, (data.class_names, names)
    for loader in (data.bank_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            _check_levels(folder, data, batch)
    splits = {"train": data.splits.train, "val": data.splits.val, "test": data.splits.test}
    held_out = folder.held_out
    if names and not any(held_out.get("test", {"": 0}).keys() - {""}):
        expected = {"val": held_out.get("val"), "test": held_out.get("test")}
    else:
        expected = {"val": held_out.get("val", held_out.get("test"))}
        expected["test"] = held_out.get("test", expected["val"])
    if expected["test"] is None:
        expected["test"] = expected["val"]
    for split, counts in {"train": folder.train, **expected}.items():
        found = _count(data, splits[split])
        assert found == counts, (split, found, counts)
    assert len(data.skipped_images) == folder.skipped, data.skipped_images


def _count(data: ImageFolderDataModule, source: ImageSource | None) -> Counter | None:
    """Readable images per class."""
    if source is None:
        return None
    targets = source.targets
    if source.unreadable is not None:
        targets = targets[~source.unreadable]
    return Counter(data.class_names[label] if label >= 0 else "" for label in targets.tolist())


def _check_levels(folder: Folder, data: ImageFolderDataModule, batch) -> None:
    """Every image has the gray level of the class that its label says."""
    for image, label in zip(batch.image, batch.target.tolist(), strict=True):
        if label < 0 or not folder.levels_kept:
            continue
        level = float(torch.median(data.views.show(image)[0])) * 255
        expected = folder.levels[data.class_names[label]]
        assert abs(level - expected) < 8, (data.class_names[label], level, expected)


def _check_error(folder: Folder, error: Exception | None) -> str:
    assert error is not None, f"no error, but it must say {folder.error}"
    message = str(error)
    assert len(message.splitlines()) <= 12, "a long message"
    assert folder.error, f"an error: {type(error).__name__}: {message}"
    missing = [part for part in folder.error if part not in message]
    assert not missing, f"the error does not say {missing}: {message}"
    return "refused"


def _check_warnings(folder: Folder, said: list[str]) -> None:
    whole = "\n".join(said)
    missing = [part for part in folder.warned if part not in whole]
    assert not missing, f"no warning says {missing}: {said}"
    if not folder.warned and not folder.skipped:
        assert not said, f"warnings: {said}"


def main() -> None:
    """Try all kinds and write a report."""
    parser = argparse.ArgumentParser(description="Odd image folders through the data module.")
    parser.add_argument("--seeds", type=int, default=5, help="folders of each kind")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    arguments = parser.parse_args()
    rows, wrong, start = [], 0, time.perf_counter()
    for name in (name for name in KINDS if arguments.only in name):
        outcomes: Counter[str] = Counter()
        for seed in range(arguments.seeds):
            try:
                outcomes[try_kind(name, seed)] += 1
            except Exception as error:
                outcomes[f"**WRONG** ({type(error).__name__}: {str(error)[:200]})"] += 1
                wrong += 1
        rows.append(f"| {name} | {'; '.join(f'{n} {what}' for what, n in outcomes.items())} |")
        print(rows[-1], flush=True)
    count = f"{len(rows)} kinds, {len(rows) * arguments.seeds} folders: {wrong} wrong"
    print(f"{count}, {time.perf_counter() - start:.0f} s")
    if not arguments.only:
        command = f"python -m benchmarks.robustness.folders --seeds {arguments.seeds}"
        about = describe_machine(command)
        table = ["| kind | outcome of each seed |", "|---|---|", *rows]
        report = ["# Odd image folders", "", count + ".", "", *about, "", *table, ""]
        REPORTS.mkdir(exist_ok=True)
        (REPORTS / f"{date.today()}-folders.md").write_text("\n".join(report))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
