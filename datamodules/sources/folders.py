"""Finding the images in a folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from .decode import SUFFIXES
from .image_source import UNLABELED


@dataclass
class ImageList:
    """The image files of a folder.

    Attributes:
        paths: The files, in order of their names.
        targets: Class of every file `[N]`, int64; -1 where there is no label.
        class_names: Name of every class.
    """

    paths: list[Path]
    targets: Tensor
    class_names: list[str]


def list_images(
    folder: Path, class_names: list[str] | None = None, *, only: list[str] | None = None
) -> ImageList:
    """List the images of a folder.

    Each sub-folder that holds images, at any depth, is a class; images directly in the folder have
    no label.

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
        raise FileNotFoundError(f"The folder {folder} does not exist. Check the path.")
    children = sorted(folder.iterdir())
    names = [child.name for child in children if child.is_dir() and child.name[0] != "."]
    if only is not None:
        if missing := sorted(set(only) - set(names)):
            raise FileNotFoundError(
                f"{folder} lacks {len(missing)} of the {len(only)} class folders of the list, "
                f"first {missing[:3]}. Each class needs a sub-folder of its name."
            )
        names = sorted(only)
    by_class = {name: files for name in names if (files := _images_below(folder / name))}
    if class_names is None:
        class_names = list(by_class)
    elif unknown := sorted(set(by_class) - set(class_names)):
        raise ValueError(
            f"{folder} has the classes {unknown[:5]}, which the training images lack. The folders "
            "of both splits must have the same names."
        )
    paths = [] if only is not None else [child for child in children if _is_image(child)]
    labels = [UNLABELED] * len(paths)
    for name, files in by_class.items():
        paths += files
        labels += [class_names.index(name)] * len(files)
    if not paths:
        raise FileNotFoundError(
            f"There are no images in {folder} (looked for {', '.join(SUFFIXES)}, also in "
            "sub-folders). Check the path."
        )
    return ImageList(paths, torch.tensor(labels, dtype=torch.int64), class_names)


def read_class_list(name: str) -> list[str]:
    """Read a list of class folders.

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
    return [line.split()[0] for line in source.read_text().splitlines() if line.strip()]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _images_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_image(path))
