"""The folders of training, validation and test images beneath a user's folder."""

from dataclasses import dataclass, field
from pathlib import Path

from .decode import printable
from .folders import children_of, images_below

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}


@dataclass
class SplitFolders:
    """Where the images of each split lie.

    Attributes:
        train: Folder of the training images.
        held_out: Folders of the splits `val` and `test`, as far as there are any.
        left_out: Images and folders with images that lie beside the splits.
    """

    train: Path
    held_out: dict[str, Path] = field(default_factory=dict)
    left_out: list[str | Path] = field(default_factory=list)


def find_splits(root: Path) -> SplitFolders:
    """Find `train/`, `val/` and `test/` in a folder, by any of their usual names and in any case.

    A folder without any of them is the training set itself.

    Raises:
        ValueError: If it cannot be told what is meant: two folders of one split, a validation or
            test folder without a training folder, or class folders beside `train/`.
    """
    files, folders, _ = children_of(root)
    splits: dict[str, Path] = {}
    others = []
    for folder in folders:
        split = next((s for s, names in SPLIT_NAMES.items() if folder.name.lower() in names), None)
        if split is None:
            others.append(folder)
        elif split in splits:
            raise ValueError(
                f"{printable(root)} has the folders {splits[split].name} and {folder.name}, which "
                f"both mean the {split} split. Keep one of them there."
            )
        else:
            splits[split] = folder
    if not splits:
        return SplitFolders(root)
    beside = [folder for folder in others if images_below(folder)[0]]
    if "train" not in splits:
        name = next(iter(splits.values())).name
        raise ValueError(
            f"{printable(root)} has a folder {name}, but none of the name train beside it. Name "
            f"the folder of the training images train, or, if {name} is a class, move all class "
            "folders into a folder of the name train."
        )
    if beside and not children_of(splits["train"])[1]:
        raise ValueError(
            f"{printable(root)} has the folder {splits['train'].name} beside "
            f"{[printable(folder.name) for folder in beside[:3]]}, all with images. Move what does "
            "not belong to the data elsewhere, or, if all of them are classes, move them into a "
            "folder of the name train."
        )
    train = splits.pop("train")
    return SplitFolders(train, splits, [*files, *beside])
