"""What tools, file managers and links leave in a folder of images."""

import os
from pathlib import Path

import pytest
from metaug.datamodules import ImageFolderDataModule
from metaug.datamodules.sources.folders import list_images, read_class_list

SMALL = {"image_size": 8, "batch_size": 2, "num_workers": 0, "val_fraction": 0.0}


def count(root, **settings):
    data = ImageFolderDataModule(str(root), **SMALL, **settings)
    data.setup("fit")
    return data.class_names, data.num_instances


@pytest.fixture
def classes(tmp_path, write_images):
    root = tmp_path / "images"
    for name in ("cat", "dog"):
        write_images(root / name, 3)
    return root


@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir", ".thumbnails", ".Trash-1000", "wandb"],
)
@pytest.mark.parametrize("place", ["", "cat"])
def test_folders_of_tools_are_left_out_and_named(classes, write_images, name, place):
    write_images(classes / place / name, 2)
    with pytest.warns(UserWarning, match=rf"1 file\(s\) or folder\(s\): .*{name}$"):
        assert count(classes) == (["cat", "dog"], 6)


def test_runs_of_earlier_days_are_no_class(classes, write_images):
    write_images(classes / "runs" / "image_folder" / "version_0" / "figures", 2)
    with pytest.warns(UserWarning, match="runs"):
        assert count(classes) == (["cat", "dog"], 6)
    write_images(classes.parent / "sports" / "runs", 2)
    assert count(classes.parent / "sports") == (["runs"], 2)


def test_files_of_file_managers_need_no_words(classes):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (classes / "cat" / name).write_bytes(b"x")
    assert count(classes)[1] == 6


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ".jp2", ".tga", ".apng"])
def test_what_pillow_opens_is_taken(classes, write_images, suffix):
    write_images(classes / "eel", 2, suffix=suffix)
    assert count(classes) == (["cat", "dog", "eel"], 8)


def test_what_is_left_out_is_counted_and_named_once(classes):
    for name in ("a.heic", "b.heic", "c.csv", "d", "e.zip"):
        (classes / "dog" / name).write_bytes(b"x")
    with pytest.warns(UserWarning, match="Left out") as caught:
        count(classes)
    (warning,) = caught
    assert "5 file(s) or folder(s)" in str(warning.message)
    assert "a.heic" in str(warning.message)
    assert "and 2 more" in str(warning.message)


def test_linked_folders_and_files_are_followed(classes, write_images):
    write_images(classes.parent / "more", 2)
    (classes / "cat" / "link").symlink_to(classes.parent / "more")
    (classes / "dog" / "one.png").symlink_to(classes.parent / "more" / "000.png")
    (classes / "eel").symlink_to(classes.parent / "more")
    images = list_images(classes)
    assert images.class_names == ["cat", "dog", "eel"]
    assert images.targets.bincount().tolist() == [5, 4, 2]


@pytest.mark.parametrize("target", [".", "..", "../../images", "../dog/loop"])
@pytest.mark.timeout(20)
def test_loops_of_links_end_and_mix_no_classes(classes, target):
    (classes / "cat" / "loop").symlink_to(target)
    (classes / "dog" / "loop").symlink_to("../cat")
    images = list_images(classes)
    assert images.targets.bincount().tolist()[0] in (3, 6)  # ../dog/loop is cat itself
    assert images.targets.bincount().tolist()[1] == 6  # its own, and the linked ones
    assert any(Path(path).name == "loop" for path in images.left_out)


def test_a_link_to_itself_is_no_folder(classes):
    (classes / "self").symlink_to("self")
    with pytest.warns(UserWarning, match="self"):
        assert count(classes) == (["cat", "dog"], 6)


def test_files_are_in_the_order_of_the_names_of_folders_and_files(classes, write_images):
    for name in ("a", "a-1", "a b", "a/b", "B"):
        write_images(classes / "cat" / name, 2)
    paths = [Path(path) for path in list_images(classes).paths]
    assert len(paths) == 3 + 5 * 2 + 3
    assert paths == sorted(paths)


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(classes):
    os.mkfifo(classes / "cat" / "pipe.jpg")
    with pytest.warns(UserWarning, match="pipe.jpg"):
        assert count(classes)[1] == 6


def test_a_link_to_nothing_is_named(classes):
    (classes / "cat" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(OSError, match=r"gone\.png: it is a link to 'nowhere\.png'"):
        count(classes)
    data = ImageFolderDataModule(str(classes), on_error="skip", **SMALL)
    assert sum(len(batch.index) for batch in data.bank_dataloader()) == 6
    with pytest.warns(UserWarning, match=r"(?s)Skipped 1 unreadable.*gone\.png"):
        data.teardown("fit")


def test_names_that_are_not_utf_8_can_be_printed_and_drawn(classes, write_images):
    write_images(classes / os.fsdecode(b"caf\xe9"), 2)
    data = ImageFolderDataModule(str(classes), **SMALL)
    assert data.class_names[0] == "caf\\xe9"
    names = [data.splits.train.name(index) for index in range(data.num_instances)]
    assert all(name.encode() for name in [*names, *data.class_names])
    (classes / "cat" / os.fsdecode(b"\xff.png")).write_bytes(b"")
    with pytest.raises(OSError, match=r"\\xff\.png") as caught:
        count(classes)
    assert str(caught.value).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"hot dog\neel\n",
        b"hot dog\r\neel\r\n",
        "\ufeffhot dog\neel".encode(),
        "hot dog\neel".encode("utf-16"),
        b"# mine\n\nhot dog/\neel\neel\n",
        b"hot dog\ta sausage\neel\ta fish\n",
    ],
)
def test_class_lists(tmp_path, write_images, content):
    for name in ("hot dog", "hot", "dog", "eel"):
        write_images(tmp_path / "images" / name, 2)
    (tmp_path / "list.txt").write_bytes(content)
    assert count(tmp_path / "images", class_list=str(tmp_path / "list.txt"))[0] == [
        "eel",
        "hot dog",
    ]


def test_a_listed_class_is_never_taken_for_another(tmp_path, write_images):
    for name in ("hot", "eel"):
        write_images(tmp_path / "images" / name, 2)
    (tmp_path / "list.txt").write_text("hot dog\neel")
    with pytest.raises(FileNotFoundError, match="hot dog"):
        count(tmp_path / "images", class_list=str(tmp_path / "list.txt"))
    (tmp_path / "list.txt").write_text("# none")
    with pytest.raises(ValueError, match="names no class"):
        read_class_list(str(tmp_path / "list.txt"))


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("training", "validation", "testing"),
        ("Train", "Val", "TEST"),
        ("train", "valid", "test"),
        ("train", "dev", "testing"),
    ],
)
def test_usual_names_of_splits(tmp_path, write_images, train, val, test):
    for number, split in enumerate((train, val, test)):
        write_images(tmp_path / split / "cat", 2 + number)
        write_images(tmp_path / split / "dog", 2 + number)
    data = ImageFolderDataModule(str(tmp_path), **SMALL)
    assert data.class_names == ["cat", "dog"]
    splits = data.splits
    assert (len(splits.train), len(splits.val), len(splits.test)) == (4, 6, 8)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train/cat", "val/cat", "validation/cat"), "both mean the val split"),
        (("cat", "dog", "validation/cat"), "has a folder validation, but none of the name train"),
        (("bus", "car", "train"), r"train beside \['bus', 'car'\]"),
    ],
)
def test_what_may_mean_two_things_is_refused(tmp_path, write_images, folders, message):
    for folder in folders:
        write_images(tmp_path / folder, 2)
    with pytest.raises(ValueError, match=message):
        count(tmp_path)


def test_images_beside_the_splits_are_named(tmp_path, write_images):
    for folder in ("train/cat", "val/cat", "extra/cat"):
        write_images(tmp_path / folder, 2)
    with pytest.warns(UserWarning, match="extra"):
        assert count(tmp_path) == (["cat"], 2)


def test_test_images_without_labels_do_not_stand_in_for_validation(tmp_path, write_images):
    write_images(tmp_path / "train" / "cat", 20)
    write_images(tmp_path / "test", 5)
    data = ImageFolderDataModule(str(tmp_path), image_size=8, batch_size=2, num_workers=0)
    assert data.splits.val.targets.tolist() == [0, 0]
    assert len(data.splits.test) == 5


def test_too_few_images_to_hold_any_out(classes):
    data = ImageFolderDataModule(str(classes), image_size=8, batch_size=2, num_workers=0)
    with pytest.warns(UserWarning, match="holds out none of the training images"):
        data.setup("fit")
    assert data.num_instances == 6
    with pytest.raises(ValueError, match=r"val_fraction=0\.1 holds out none"):
        ImageFolderDataModule(str(classes), val_fraction=0.1).setup("fit")


def test_roots_that_are_no_folder(tmp_path):
    with pytest.raises(ValueError, match="root must be a folder of images"):
        ImageFolderDataModule("")
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(OSError, match="is a file"):
        count(tmp_path / "images.zip")
