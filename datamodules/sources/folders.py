"""Finding the images in a folder."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from .arrays import is_array_file
from .decode import image_suffixes, printable
from .image_source import UNLABELED
from .packed_paths import PackedPaths

# folders that tools make beside a user's; those of a name with a dot in front are another kind
_TOOL_FOLDERS = {
    "__macosx", "__pycache__", "@eadir", "$recycle.bin", "#recycle", "#snapshot", "lost+found",
    "system volume information", "lightning_logs", "mlruns", "wandb",
}  # fmt: skip
STATISTICS = "metaug_statistics.yaml"
_TOOL_FILES = {".ds_store", "thumbs.db", "desktop.ini", STATISTICS}


@dataclass
class ImageList:
    """The image files of a folder.

    Attributes:
        paths: The files, in order of their names.
        targets: Class of every file `[N]`, int64; -1 where there is no label.
        class_names: Name of every class.
        left_out: Files and folders that were passed over.
    """

    paths: Sequence[str | Path]
    targets: Tensor
    class_names: list[str]
    left_out: list[str | Path] = field(default_factory=list)


def list_images(
    folder: Path, class_names: list[str] | None = None, *, only: list[str] | None = None
) -> ImageList:
    """List the images of a folder.

    Each sub-folder that holds images, at any depth, is a class; images directly in the folder have
    no label. Hidden folders and those of tools are left out, links are followed. Arrays (`.npy`)
    are images where all files are; beside others they are left out.

    Args:
        folder: The folder.
        class_names: Classes in their order, for a split that must agree with another; by default
            the sub-folders in alphabetical order.
        only: The sub-folders to use, all of which must exist; other images are left out.

    Raises:
        FileNotFoundError: If the folder does not exist, or holds no images, or lacks a sub-folder.
        ValueError: If a sub-folder is not among `class_names`.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder {printable(folder)} does not exist. Check the path.")
    beside, folders, left_out = children_of(folder)
    if only is not None:
        folders, beside, left_out = _chosen(folder, folders, only), [], []
    by_class: dict[str, list[PackedPaths]] = {}
    for child in folders:
        files, others = images_below(child)
        left_out += others if files or others else [child]
        if files:
            by_class.setdefault(printable(child.name), []).append(PackedPaths(files))
    beside, by_class = _without_stray_arrays(beside, by_class, left_out)
    if class_names is None:
        class_names = list(by_class)
    elif unknown := sorted(set(by_class) - set(class_names)):
        raise ValueError(
            f"{printable(folder)} has the classes {unknown[:5]}, which the training images lack. "
            "The folders of both splits must have the same names."
        )
    label_of = {name: label for label, name in enumerate(class_names)}
    parts, labels = [PackedPaths(beside)], [UNLABELED]
    for name, classmates in by_class.items():
        parts += classmates
        labels += [label_of[name]] * len(classmates)
    paths = PackedPaths.joined(parts)
    if not paths:
        raise FileNotFoundError(
            f"There are no images in {printable(folder)} (looked for .jpg, .png, what else Pillow "
            f"opens, and .npy, also in sub-folders){_listed(left_out, '; left out: ')}. Check the "
            "path."
        )
    counts = torch.tensor([len(part) for part in parts])
    targets = torch.tensor(labels, dtype=torch.int64).repeat_interleave(counts)
    return ImageList(paths, targets, class_names, left_out)


def _without_stray_arrays(
    beside: list[str], by_class: dict[str, list[PackedPaths]], left_out: list[str | Path]
) -> tuple[list[str], dict[str, list[PackedPaths]]]:
    """Leave out arrays among other images, as labels and features are stored; say so."""
    parts = [beside, *(part for of_class in by_class.values() for part in of_class)]
    arrays = [path for part in parts for path in part if is_array_file(path)]
    if len(arrays) in (0, sum(map(len, parts))):
        return beside, by_class
    left_out += sorted(arrays)
    kept = {
        name: [PackedPaths(p for p in part if not is_array_file(p)) for part in of_class]
        for name, of_class in by_class.items()
    }
    others = [path for path in beside if not is_array_file(path)]
    return others, {name: of_class for name, of_class in kept.items() if any(map(len, of_class))}


def images_below(folder: Path) -> tuple[list[str], list[str | Path]]:
    """The image files of a folder at any depth, in order, and what is left out of it.

    Links are followed, but none to a folder that holds this one, and to no folder twice.
    """
    found: list[str] = []
    left_out: list[str | Path] = []
    waiting = [folder]
    above = (*folder.resolve().parents, *folder.absolute().parents)
    seen = {_identity(parent) for parent in above}
    while waiting:
        current = waiting.pop()
        if (identity := _identity(current)) in seen:
            left_out.append(current)
            continue
        seen.add(identity)
        files, folders, others = children_of(current)
        found += files
        waiting += reversed(folders)
        left_out += others
    # in the order of the names of folders and files: a folder before its name with a `-` behind
    return sorted(found, key=lambda path: path.replace(os.sep, "\0")), left_out


def warn_of(left_out: Iterable[str | Path]) -> None:
    """Say once, with numbers and first names, what is not trained on."""
    if listed := _listed(list(left_out)):
        rank_zero_warn(f"Left out as no images: {listed}", stacklevel=2)


def read_class_list(name: str) -> list[str]:
    """Read a list of class folders.

    A line is the name of a folder, or begins with it (`n01440764 tench`). Empty lines and lines
    that begin with `#` are left out.

    Args:
        name: A text file with a name per line, or `imagenet100` for the list of that name (Tian et
            al., *Contrastive Multiview Coding*, ECCV 2020).
    """
    shipped = resources.files(__package__) / f"{name}.txt"
    source = shipped if shipped.is_file() else Path(name).expanduser()
    if not source.is_file():
        raise FileNotFoundError(
            f"class_list={name!r} is neither a text file nor 'imagenet100'. Give a file with the "
            "name of a class folder per line."
        )
    content = source.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = content.decode(encoding, "surrogateescape").splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise ValueError(f"class_list={name!r} names no class. Give it a name per line.")
    return list(dict.fromkeys(names))


def _chosen(folder: Path, folders: list[Path], only: list[str]) -> list[Path]:
    """The folders of a list, all of which must exist: named by whole lines, or by first words."""
    by_name = {child.name: child for child in folders}
    readings = [
        {line.rstrip("/") for line in only},
        {line.split("\t")[0].strip() for line in only},
        {line.split()[0] for line in only},
    ]
    chosen = next((names for names in readings if names & set(by_name)), readings[0])
    if missing := sorted(chosen - set(by_name)):
        raise FileNotFoundError(
            f"{printable(folder)} lacks {len(missing)} of the {len(only)} class folders of the "
            f"list, first {[printable(name) for name in missing[:3]]}. Each class needs a "
            "sub-folder of its name."
        )
    return [by_name[name] for name in sorted(chosen)]


def children_of(folder: Path) -> tuple[list[str], list[Path], list[str | Path]]:
    """Image files, folders and what is left out, directly in a folder, each in order.

    A link to nothing counts as an image by its name, so that it is reported as unreadable.
    """
    files: list[str] = []
    folders: list[str] = []
    left_out: list[str] = []
    suffixes, prefix = image_suffixes(), str(folder / "_")[:-1]
    with os.scandir(folder) as entries:
        for entry in entries:
            path, name = prefix + entry.name, entry.name.lower()
            is_folder = os.path.isdir(path) if entry.is_symlink() else entry.is_dir()
            if name in _TOOL_FILES and not is_folder:
                continue
            if name.startswith(".") or (is_folder and _is_tools(Path(path))):
                left_out.append(path)
            elif is_folder:
                folders.append(path)
            elif os.path.splitext(name)[1] in suffixes and _may_be_read(path, entry):
                files.append(path)
            else:
                left_out.append(path)
    return sorted(files), [Path(path) for path in sorted(folders)], [*sorted(left_out)]


def _is_tools(folder: Path) -> bool:
    name = folder.name.lower()
    return name in _TOOL_FOLDERS or (name == "runs" and any(folder.glob("*/version_*")))


def _may_be_read(path: str, entry: os.DirEntry) -> bool:
    """Not of a pipe or a device, whose end may never come."""
    if entry.is_symlink():
        return os.path.isfile(path) or not os.path.exists(path)
    return entry.is_file()


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _listed(paths: list[str | Path], before: str = "") -> str:
    if not paths:
        return ""
    first = ", ".join(printable(path) for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{before}{len(paths)} file(s) or folder(s): {first}{more}"
