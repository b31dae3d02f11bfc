import re

import pytest
from metaug.datamodules import ImageFolderDataModule, ImageNet100DataModule, ImageNetDataModule
from metaug.datamodules.sources.folders import read_class_list


def test_shipped_list():
    names = read_class_list("imagenet100")
    assert len(set(names)) == 100
    assert all(re.fullmatch(r"n\d{8}", name) for name in names)
    assert {"n02869837", "n01749939", "n02090622"} <= set(names)


def test_only_listed_classes(tmp_path, write_images):
    for split in ("train", "val"):
        for name in ("n1", "n2", "n3", "n4"):
            write_images(tmp_path / split / name, 2)
    (tmp_path / "list.txt").write_text("n4 four\nn2 two\n\n")
    datamodule = ImageNet100DataModule(
        str(tmp_path), class_list=str(tmp_path / "list.txt"), image_size=8, num_workers=0
    )
    datamodule.setup("fit")
    assert datamodule.class_names == ["n2", "n4"]
    assert datamodule.num_instances == 4
    (val,) = datamodule.val_dataloader()
    assert val.target.tolist() == [0, 0, 1, 1]
    whole = ImageNetDataModule(str(tmp_path), image_size=8)
    assert whole.num_instances == 8
    assert not whole.splits.train.uniform  # never decoded at once


def test_listed_class_that_is_missing(tmp_path, write_images):
    write_images(tmp_path / "train" / "n02869837", 2)
    with pytest.raises(FileNotFoundError, match="lacks 99 of the 100 class folders"):
        ImageNet100DataModule(str(tmp_path)).setup("fit")


def test_list_that_does_not_exist(tmp_path, write_images):
    write_images(tmp_path, 2)
    with pytest.raises(FileNotFoundError, match=r"class_list='nowhere\.txt'"):
        ImageFolderDataModule(str(tmp_path), class_list="nowhere.txt").setup("fit")


def test_missing_data_say_which_files_to_get(tmp_path):
    missing = tmp_path / "imagenet"
    with pytest.raises(FileNotFoundError, match=f"ILSVRC2012_img_train.tar.*{missing}/train"):
        ImageNetDataModule(str(missing)).setup("fit")


def test_flat_validation_folder(tmp_path, write_images):
    write_images(tmp_path / "train" / "n1", 2)
    write_images(tmp_path / "val", 2)
    with pytest.raises(FileNotFoundError, match="has no class folders"):
        ImageNetDataModule(str(tmp_path)).setup("fit")
