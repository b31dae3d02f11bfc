import gc
import os
import pickle
from pathlib import Path

import pytest
from metaug.datamodules import FileSource, ImageFolderDataModule
from metaug.datamodules.sources.packed_paths import PackedPaths

NAMES = ["a/1.png", "", "b c/ä.png", os.fsdecode(b"\xff.png"), "a/1.png"]


def test_they_read_as_a_list_does():
    paths = PackedPaths(NAMES)
    assert paths == NAMES
    assert [paths[index] for index in range(-5, 5)] == NAMES * 2
    assert paths[1:4:2] == NAMES[1:4:2]
    assert paths[-1:0:-1] == NAMES[-1:0:-1]
    assert paths.index("b c/ä.png") == 2
    assert pickle.loads(pickle.dumps(paths)) == NAMES
    for beyond in (5, -6):
        with pytest.raises(IndexError):
            paths[beyond]


def test_parts_are_joined_in_order():
    parts = [PackedPaths(part) for part in (NAMES[:2], [], NAMES[2:])]
    assert PackedPaths.joined(parts) == NAMES
    assert len(PackedPaths.joined([])) == 0


def test_any_iterable_of_paths():
    assert PackedPaths(Path(name) for name in "abc") == list("abc")


def test_a_source_holds_no_object_per_image(tmp_path, write_images):
    """Its size is that of the names, and nothing in it is counted whenever an image is read."""
    names = [f"class/{number:07d}.jpg" for number in range(50_000)]
    source = FileSource(names)
    held = [thing for value in vars(source).values() for thing in [value, *gc.get_referents(value)]]
    assert not [thing for thing in held if isinstance(thing, list) and len(thing) > 1000]
    assert source.paths.nbytes == sum(map(len, names)) + 8 * (len(names) + 1)
    assert source.paths[49_999] == names[-1]
    write_images(tmp_path / "cat", 4)
    data = ImageFolderDataModule(str(tmp_path), in_memory=False, val_fraction=0.0, image_size=8)
    assert isinstance(data.splits.train.paths, PackedPaths)
