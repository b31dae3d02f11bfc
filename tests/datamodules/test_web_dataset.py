"""Shards: the same images, labels and views as the folder of the same files, each exactly once."""

import json
import shutil
import tarfile

import pytest
import torch
from metaug.datamodules import ImageFolderDataModule, UnreadableImageError, WebDatasetDataModule

from .see_on_processes import see
from .test_hugging_face import assert_equal, batches
from .test_processes import run_on_two_processes, together

webdataset = pytest.importorskip("webdataset", exc_type=ImportError)

SMALL = {"image_size": 8, "batch_size": 4, "num_workers": 0}
SIZES = [(12, 10), (9, 14), (20, 20)]


def write_shards(target, files, per_shard=4, labels=True, number=0):
    """Files as shards `target-000.tar`, ..., in their order; the folder's name is the label."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(files), per_shard):
        name = f"{target.name}-{number + start // per_shard:03d}.tar"
        with webdataset.TarWriter(str(target.with_name(name))) as tar:
            for place, file in enumerate(files[start : start + per_shard], start):
                sample = {"__key__": f"{place:06d}", "json": {"size": 1}, "png": file.read_bytes()}
                if labels:
                    sample["cls"] = ["cat", "dog"].index(file.parts[-3])
                tar.write(sample)


@pytest.fixture
def folder(tmp_path, write_images):
    for split, count in (("train", 3), ("val", 1)):
        for number, size in enumerate(SIZES):
            for label, name in enumerate(("cat", "dog")):
                seed = number + 10 * label + 100 * (split == "val")
                write_images(
                    tmp_path / "images" / split / name / str(number), count, size, seed=seed
                )
    return tmp_path / "images"


@pytest.fixture
def shards(tmp_path, folder):
    for split in ("train", "val"):
        write_shards(tmp_path / "shards" / split, sorted((folder / split).rglob("*.png")))
    return tmp_path / "shards"


def test_views_are_those_of_the_same_files_in_a_folder(folder, shards):
    there = ImageFolderDataModule(str(folder), seed=3, **SMALL)
    ours = WebDatasetDataModule(str(shards), seed=3, shuffle_buffer=None, **SMALL)
    assert_equal(batches(ours), batches(there))
    assert ours.num_instances == 18
    assert ours.class_names == ["0", "1"]
    for loader in ("val_dataloader", "test_dataloader", "bank_dataloader"):
        mine, other = next(iter(getattr(ours, loader)())), next(iter(getattr(there, loader)()))
        assert torch.equal(mine.image, other.image)
        assert torch.equal(mine.target, other.target)


def test_the_order_of_shards_changes_no_view(folder, shards):
    there, ours = (
        {
            int(i): [v[row] for v in batch.views]
            for batch in seen
            for row, i in enumerate(batch.index)
        }
        for seen in (
            batches(ImageFolderDataModule(str(folder), **{**SMALL, "batch_size": 18}), 1),
            batches(WebDatasetDataModule(str(shards), shuffle_buffer=4, **SMALL), 1),
        )
    )
    assert len(ours) == 16
    for index, views in ours.items():
        assert all(torch.equal(*pair) for pair in zip(views, there[index], strict=True))


def test_workers_see_the_same(shards):
    alone = batches(WebDatasetDataModule(str(shards), shuffle_buffer=4, **SMALL))
    several = {**SMALL, "num_workers": 2}
    assert_equal(batches(WebDatasetDataModule(str(shards), shuffle_buffer=4, **several)), alone)


@pytest.mark.timeout(300)
def test_two_processes_see_what_one_sees_also_when_resumed(tmp_path, shards):
    """Every image once in an epoch, in as many steps on each process, with the same views."""
    two = run_on_two_processes(tmp_path, "--shards", str(shards))
    one = json.loads(json.dumps(see(tmp_path, "whole", shards=str(shards))))
    steps = 18 // 4
    assert len(one["train"]) == 3 * steps
    assert [len(run["whole"]["train"]) for run in two] == [3 * steps] * 2
    assert together([run["whole"] for run in two]) == one["train"]
    for epoch in range(3):
        seen = [image for e, _, images in one["train"] if e == epoch for image, _ in images]
        assert len(set(seen)) == len(seen) == 4 * steps
    assert together([run["stop"] for run in two]) == one["train"][: steps + 2]
    assert together([run["resume"] for run in two]) == one["train"][steps + 2 :]


def test_shards_by_name(shards):
    names = f"{shards}/train-{{000..004}}.tar"
    alone = WebDatasetDataModule(names, num_samples=18, **SMALL)
    assert len(alone.splits.val) == 2  # held out
    both = WebDatasetDataModule(names, val_shards=f"{shards}/val-{{000..001}}.tar", **SMALL)
    assert len(both.splits.val) == 6
    assert both.num_instances == 18
    held_out = batches(alone)
    assert len(held_out) == 2 * 4
    part = [index for batch in held_out[:4] for index in batch.index.tolist()]
    assert len(set(part)) == 16


def test_without_labels(tmp_path, folder):
    write_shards(tmp_path / "plain" / "train", sorted(folder.rglob("*.png")), labels=False)
    data = WebDatasetDataModule(str(tmp_path / "plain"), **SMALL)
    assert len(batches(data, 1)) == 6
    assert data.num_classes == 0
    assert data.bank_dataloader() == []


def test_the_index_is_kept_and_made_anew_for_other_shards(tmp_path, folder, shards, monkeypatch):
    from metaug.datamodules.sources import shard_index

    made = []
    index = shard_index.index
    monkeypatch.setattr(shard_index, "index", lambda *args: made.append(args) or index(*args))

    def count(**settings):
        made.clear()
        data = WebDatasetDataModule(str(shards), **settings, **SMALL)
        data.prepare_data()
        return data.num_instances, len(made)

    assert count() == (18, 2)
    assert count() == (18, 0)
    assert count(label_key=None) == (18, 2)
    first = sorted((folder / "train").rglob("*.png"))[:2]
    write_shards(shards / "train", first, number=5)
    assert count() == (20, 1)
    write_shards(shards / "train", first[:1], number=5)  # another file of the same name
    assert count() == (19, 1)
    for kept in shards.glob(".metaug-*.npz"):
        kept.write_bytes(b"broken")
    assert count() == (19, 2)
    shutil.rmtree(shards)


def test_an_index_that_cannot_be_kept(shards, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.warns(UserWarning, match=r"index of the shards cannot be kept.*Permission denied"):
        assert WebDatasetDataModule(str(shards), **SMALL).num_instances == 18


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_samples": 20}, "num_samples is 20, but the 5 training shards hold 18 images"),
        ({"image_key": "jpg"}, r"no image of the ending 'jpg', only \['cls', 'json', 'png'\]"),
        ({"label_key": "txt"}, r"no label of the ending 'txt', only \['cls', 'json', 'png'\]"),
        ({"shards": "pipe:cat a.tar"}, "'pipe:cat a.tar' is no file"),
        ({"shards": "https://host/{0..1}.tar"}, "'https://host/0.tar' is no file"),
        ({"shards": "train-0.tar.gz"}, "'train-0.tar.gz' is not called .tar"),
        ({"shards": ""}, "shards must be a folder"),
        ({"shuffle_buffer": 0}, "shuffle_buffer"),
    ],
)
def test_errors_name_what_there_is(shards, settings, message):
    with pytest.raises(ValueError, match=message):
        WebDatasetDataModule(**{"shards": str(shards), **settings}, **SMALL).setup("fit")


def test_missing_and_ambiguous_shards(tmp_path, shards):
    def open_(name):
        WebDatasetDataModule(name, **SMALL).setup("fit")

    with pytest.raises(FileNotFoundError, match=r"1 of the 6 shards .* first .*train-005\.tar"):
        open_(f"{shards}/train-{{000..005}}.tar")
    with pytest.raises(FileNotFoundError, match=r"no \.tar files"):
        open_(str(tmp_path / "images"))
    shutil.copy(shards / "val-000.tar", shards / "train_val-000.tar")
    with pytest.raises(ValueError, match=r"train_val-000\.tar is named after the splits"):
        open_(str(shards))
    for shard in shards.glob("train*"):
        shard.unlink()
    with pytest.raises(ValueError, match=r"shards of \['val'\] alone"):
        open_(str(shards))


@pytest.mark.parametrize("kept", [0, 700, 2048 + 100, 5000, "whole files"])
def test_a_shard_that_is_cut_off(shards, kept):
    data = (shards / "train-001.tar").read_bytes()
    if kept == "whole files":
        with tarfile.open(shards / "train-001.tar") as tar:
            kept = tar.getmembers()[6].offset  # the third sample of four
    assert len(data) > kept
    (shards / "train-001.tar").write_bytes(data[:kept])
    with pytest.raises(OSError, match=r"train-001\.tar cannot be read"):
        WebDatasetDataModule(str(shards), **SMALL).setup("fit")


def test_an_image_that_cannot_be_read(tmp_path, folder):
    files = sorted((folder / "train").rglob("*.png"))
    files[2].write_bytes(b"no image")
    write_shards(tmp_path / "shards" / "train", files)
    shards = str(tmp_path / "shards")
    stopping = WebDatasetDataModule(shards, val_fraction=0.0, **SMALL)
    with pytest.raises(UnreadableImageError, match=r"000002\.png of .*train-000\.tar"):
        batches(stopping)
    skipping = WebDatasetDataModule(shards, val_fraction=0.0, on_error="skip", **SMALL)
    assert all(2 not in batch.index for batch in batches(skipping))
    assert len(skipping.skipped_images) == 1


def test_without_the_library(shards, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "webdataset.tariterators", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the package webdataset.*metaug\[data\]"):
        WebDatasetDataModule(str(shards), **SMALL).prepare_data()
