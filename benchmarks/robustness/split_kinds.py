"""Odd splits and class lists."""

# ruff: noqa: D103 (a kind says by its name what it is)

from .image_folders import Folder, kind


def _splits(train: str, val: str, test: str | None = None):
    def make(folder: Folder) -> None:
        folder.classes(below=train)
        folder.hold_out("val", val)
        if test is not None:
            folder.hold_out("test", test)

    make.__name__ = " and ".join(filter(None, [train, val, test]))
    return kind(make)


_splits("training", "validation")
_splits("Train", "Val")
_splits("train", "valid", "testing")
_splits("TRAIN", "dev")


@kind
def two_validation_folders(folder: Folder) -> None:
    folder.classes(below="train")
    folder.write("val/cat", "cat")
    folder.write("validation/cat", "cat")
    folder.error = ["val", "validation", "Keep one"]


@kind
def validation_folder_without_training_folder(folder: Folder) -> None:
    folder.classes()
    folder.write("val/cat", "cat")
    folder.error = ["val", "train"]


@kind
def class_of_the_name_train(folder: Folder) -> None:
    folder.classes("bus", "car", "train")
    folder.error = ["train", "bus", "classes"]


@kind
def images_beside_the_splits(folder: Folder) -> None:
    folder.classes(below="train")
    folder.hold_out("val", "val")
    folder.write("more/cat", "cat")
    folder.write("", "cat", 1)
    folder.warned = ["more", "00.png"]


@kind
def test_images_without_labels(folder: Folder) -> None:
    folder.classes(below="train")
    folder.write("test", "", 3)
    folder.held_out["test"] = folder.train.__class__({"": 3})


@kind
def class_in_validation_alone(folder: Folder) -> None:
    folder.classes(below="train")
    folder.hold_out("val", "val", "unicorn")
    folder.error = ["unicorn", "training images lack"]


@kind
def class_in_training_alone(folder: Folder) -> None:
    folder.classes("cat", "dog", "eel", below="train")
    folder.hold_out("val", "val", "cat", "eel")


def _class_list(write, *, error=()):
    def make(folder: Folder) -> None:
        for name in ("hot dog", "eel"):
            folder.add(name, name)
        folder.write("hot", "hot")
        path = folder.root.with_name("list.txt")
        path.write_bytes(write("hot dog", "eel"))
        folder.settings["class_list"] = str(path)
        folder.error = list(error)

    make.__name__ = f"class list {write.__name__.strip('_').replace('_', ' ')}"
    return kind(make)


def _with_windows_line_ends(*names: str) -> bytes:
    return "\r\n".join(names).encode()


def _with_a_byte_order_mark(*names: str) -> bytes:
    return "\n".join(names).encode("utf-8-sig")


def _in_utf_16(*names: str) -> bytes:
    return "\n".join(names).encode("utf-16")


def _with_comments_and_glosses(*names: str) -> bytes:
    return "\n".join(["# chosen", "", *(f"{name}\tanother name" for name in names)]).encode()


def _of_a_class_that_is_missing(*names: str) -> bytes:
    return "\n".join([*names, "hot potato"]).encode()


def _without_a_name(*names: str) -> bytes:
    return b"# none yet\n"


for _write in (
    _with_windows_line_ends, _with_a_byte_order_mark, _in_utf_16, _with_comments_and_glosses,
):  # fmt: skip
    _class_list(_write)
_class_list(_of_a_class_that_is_missing, error=["hot potato", "class folder"])
_class_list(_without_a_name, error=["names no class"])
