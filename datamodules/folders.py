"""Finding the images in a folder."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .decode import SUFFIXES
from .source import UNLABELLED


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


def list_images(folder: Path, class_names: list[str] | None = None) -> ImageList:
    """List the images of a folder.

    Each sub-folder that holds images, at any depth, is a class; images directly in the folder have
    no label.

    Args:
        folder: The folder.
        class_names: Classes in their order, for a split that must agree with another; by default
            the sub-folders in alphabetical order.

    Raises:
        FileNotFoundError: If the folder does not exist or holds no images.
        ValueError: If a sub-folder is not among `class_names`.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder {folder} does not exist. Check the path.")
    below = {
        child.name: _images_below(child)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    below = {name: found for name, found in below.items() if found}
    if class_names is None:
        class_names = list(below)
    elif unknown := sorted(set(below) - set(class_names)):
        raise ValueError(
            f"{folder} has the classes {unknown[:5]}, which the training images lack. The folders "
            "of both splits must have the same names."
        )
    paths = [child for child in sorted(folder.iterdir()) if _is_image(child)]
    labels = [UNLABELLED] * len(paths)
    for name, found in below.items():
        paths += found
        labels += [class_names.index(name)] * len(found)
    if not paths:
        raise FileNotFoundError(
            f"There are no images in {folder} (looked for {', '.join(SUFFIXES)}, also in "
            "sub-folders). Check the path."
        )
    return ImageList(paths, torch.tensor(labels, dtype=torch.int64), class_names)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _images_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_image(path))
