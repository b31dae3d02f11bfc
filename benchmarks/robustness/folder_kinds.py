"""Odd folders: what tools leave behind, names and links."""

# ruff: noqa: D103 (a kind says by its name what it is)

import os

from .image_folders import Folder, kind


def _tool_folder(name: str):
    def make(folder: Folder) -> None:
        folder.classes()
        at_root = folder.draw.random() < 0.5
        place = name if at_root else f"{folder.draw.choice(['cat', 'dog'])}/{name}"
        folder.write(place, "copy")
        folder.warned = [name]

    make.__name__ = f"images in {name}"
    return kind(make)


for _name in (
    ".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir", ".thumbnails", ".Trash-1000",
    "lightning_logs", "__pycache__",
):  # fmt: skip
    _tool_folder(_name)


@kind
def nothing_odd(folder: Folder) -> None:
    folder.classes("cat", "dog", "eel")


@kind
def figures_of_an_earlier_run(folder: Folder) -> None:
    folder.classes()
    folder.write("runs/digits/version_0/figures", "figure")
    folder.warned = ["runs"]


@kind
def resource_forks_of_a_mac(folder: Folder) -> None:
    folder.classes()
    (folder.root / "cat" / "._00.png").write_bytes(b"\0\5\x16\7")
    folder.warned = ["._00.png"]


@kind
def files_of_file_managers(folder: Folder) -> None:
    folder.classes()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder.root / "cat" / name).write_bytes(b"x")


@kind
def empty_class_folder(folder: Folder) -> None:
    folder.classes()
    (folder.root / "eel").mkdir()
    folder.warned = ["eel"]


@kind
def class_with_one_image(folder: Folder) -> None:
    folder.classes()
    folder.add("eel", "eel", count=1)


@kind
def link_to_a_folder_in_a_class(folder: Folder) -> None:
    elsewhere = folder.root.with_name("elsewhere")
    folder.classes()
    folder.add("../elsewhere/more", "cat")
    (folder.root / "cat" / "link").symlink_to(elsewhere)


@kind
def link_to_a_class_folder(folder: Folder) -> None:
    folder.classes()
    folder.add("../elsewhere", "eel")
    (folder.root / "eel").symlink_to(folder.root.with_name("elsewhere"))


@kind
def link_to_the_folder_above(folder: Folder) -> None:
    folder.classes()
    (folder.root / "cat" / "loop").symlink_to(folder.draw.choice([".", "..", folder.root]))
    folder.warned = ["loop"]


@kind
def linked_class_with_a_link_back(folder: Folder) -> None:
    folder.classes()
    folder.add("../elsewhere", "eel")
    (folder.root / "eel").symlink_to(folder.root.with_name("elsewhere"))
    (folder.root / "eel" / "back").symlink_to(folder.root)
    folder.warned = ["back"]


@kind
def link_to_a_file(folder: Folder) -> None:
    folder.classes()
    folder.add("../elsewhere", "dog", count=1)
    (folder.root / "dog" / "link.png").symlink_to(folder.root.with_name("elsewhere") / "00.png")


@kind
def link_to_nothing(folder: Folder) -> None:
    folder.classes()
    (folder.root / "cat" / "zz.png").symlink_to("gone.png")
    folder.train["cat"] += 1
    folder.break_off("zz.png")


@kind
def links_to_each_other(folder: Folder) -> None:
    folder.classes()
    (folder.root / "cat" / "zz.png").symlink_to("z2.jpe.link")
    (folder.root / "cat" / "z2.jpe.link").symlink_to("zz.png")
    folder.train["cat"] += 1
    folder.break_off("zz.png")
    if not folder.error:
        folder.warned = ["z2.jpe.link"]


@kind
def pipe_of_the_name_of_an_image(folder: Folder) -> None:
    folder.classes()
    os.mkfifo(folder.root / "cat" / "pipe.jpg")
    folder.warned = ["pipe.jpg"]


@kind
def folder_of_the_name_of_an_image(folder: Folder) -> None:
    folder.classes("cat", "dog.jpg")
    folder.add("cat/more.png", "cat")


@kind
def classes_many_folders_deep(folder: Folder) -> None:
    folder.classes("cat")
    folder.add("dog/a/b/c/d/e/f", "dog")


@kind
def class_name_that_is_not_utf_8(folder: Folder) -> None:
    folder.classes("cat")
    folder.add(os.fsdecode(b"caf\xe9"), "caf\\xe9")


@kind
def file_name_that_is_not_utf_8(folder: Folder) -> None:
    folder.classes()
    name = os.fsdecode(b"\xe9\xff.png")
    if folder.draw.random() < 0.5:
        folder.add_file(folder.image("cat"), name)
    else:
        folder.add_file(b"broken", name)
        folder.error = ["\\xe9\\xff.png"]


@kind
def class_names_of_all_sorts(folder: Folder) -> None:
    folder.classes("two words", "$100$", "日本", "new\nline", "-f", "#1")


@kind
def root_that_is_a_file(folder: Folder) -> None:
    folder.root.rmdir()
    folder.root.write_bytes(b"PK")
    folder.error = [folder.root.name, "is a file"]


@kind
def root_that_is_missing(folder: Folder) -> None:
    folder.root.rmdir()
    folder.error = [folder.root.name, "does not exist"]


@kind
def root_without_images(folder: Folder) -> None:
    (folder.root / "notes.txt").write_text("none")
    folder.error = ["no images", "notes.txt"]


@kind
def images_without_classes(folder: Folder) -> None:
    folder.add("", "", count=5)


@kind
def images_beside_classes(folder: Folder) -> None:
    folder.classes()
    folder.add("", "")


@kind
def fewer_images_than_a_batch(folder: Folder) -> None:
    folder.add("cat", "cat", count=1)
    folder.error = ["training images", "batch"]
