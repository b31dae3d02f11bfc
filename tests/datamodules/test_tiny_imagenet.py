import hashlib
import zipfile

import pytest
import torch
from metaug.datamodules import TinyImageNetDataModule


@pytest.fixture
def archive(tmp_path, write_images):
    """A small archive in the published layout."""
    source = tmp_path / "made" / "tiny-imagenet-200"
    for number, wnid in enumerate(("n01", "n02", "n03")):
        write_images(source / "train" / wnid / "images", 4, (8, 8), ".JPEG", seed=number)
    write_images(source / "val" / "images", 6, (8, 8), ".JPEG", seed=9)
    order = ["n03", "n01", "n02", "n02", "n01", "n03"]
    lines = [f"{number:03d}.JPEG\t{wnid}\t0\t0\t7\t7" for number, wnid in enumerate(order)]
    (source / "val" / "val_annotations.txt").write_text("\n".join(reversed(lines)) + "\n")
    path = tmp_path / "made" / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(source.rglob("*")):
            file.write(member, member.relative_to(source.parent))
    return path


def test_unpacks_and_puts_the_validation_images_in_order(tmp_path, archive, monkeypatch):
    root = tmp_path / "data"
    root.mkdir()
    (root / archive.name).write_bytes(archive.read_bytes())
    checksum = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(TinyImageNetDataModule, "md5", checksum)
    datamodule = TinyImageNetDataModule(str(root), image_size=8, batch_size=4)
    datamodule.prepare_data()
    datamodule.setup("fit")
    assert datamodule.num_instances == 12
    assert datamodule.class_names == ["n01", "n02", "n03"]
    assert datamodule.splits.train.uniform
    (val,) = datamodule.val_dataloader()
    assert val.target.tolist() == [2, 0, 1, 1, 0, 2]
    assert datamodule.splits.val.name(0).endswith("val/images/000.JPEG")


def test_damaged_archive(tmp_path, archive):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / archive.name).write_bytes(archive.read_bytes())
    with pytest.raises(OSError, match=r"tiny-imagenet-200\.zip is damaged"):
        TinyImageNetDataModule(str(tmp_path / "data")).prepare_data()


def test_missing_without_internet(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    message = f"(?s)no route to host.*stanford.*put it at {tmp_path}/tiny-imagenet-200.zip"
    with pytest.raises(FileNotFoundError, match=message):
        TinyImageNetDataModule(str(tmp_path)).prepare_data()


def test_pixels_reach_the_views(tmp_path, archive):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "data")
    datamodule = TinyImageNetDataModule(str(tmp_path / "data"), image_size=8, batch_size=12)
    (batch,) = datamodule.train_dataloader()
    assert batch.views[0].shape == (12, 3, 8, 8)
    assert torch.bincount(batch.target).tolist() == [4, 4, 4]


def test_a_list_of_classes(tmp_path, archive):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "data")
    (tmp_path / "two.txt").write_text("n01\nn03\n")
    datamodule = TinyImageNetDataModule(
        str(tmp_path / "data"), image_size=8, batch_size=4, class_list=str(tmp_path / "two.txt")
    )
    datamodule.setup("fit")
    assert datamodule.num_instances == 8
    assert datamodule.class_names == ["n01", "n03"]
    (val,) = datamodule.val_dataloader()
    assert val.target.tolist() == [1, 0, 0, 1]
