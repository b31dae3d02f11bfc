import pytest
import torch
from metaug.datamodules import ImageFolderDataModule, UnreadableImageError
from PIL import Image

SMALL = {"image_size": 8, "batch_size": 4, "num_workers": 0}


def test_train_val_and_test_folders(tmp_path, write_images):
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("cat", "dog"):
            write_images(tmp_path / split / name, count)
    datamodule = ImageFolderDataModule(str(tmp_path), **SMALL)
    datamodule.setup("fit")
    assert datamodule.class_names == ["cat", "dog"]
    assert datamodule.num_instances == 12
    assert len(datamodule.val_dataloader().dataset) == 4
    assert len(datamodule.test_dataloader().dataset) == 6
    assert datamodule.splits.train.uniform  # one size: held in memory
    assert next(iter(datamodule.train_dataloader())).views[0].shape == (4, 3, 8, 8)


@pytest.mark.parametrize("only", ["val", "test"])
def test_one_held_out_folder_serves_as_validation_and_test(tmp_path, write_images, only):
    write_images(tmp_path / "train" / "cat", 4)
    write_images(tmp_path / only / "cat", 2)
    datamodule = ImageFolderDataModule(str(tmp_path), **SMALL)
    assert len(datamodule.val_dataloader().dataset) == 2
    assert len(datamodule.test_dataloader().dataset) == 2


def test_folder_of_class_folders_holds_out_a_tenth(tmp_path, write_images):
    write_images(tmp_path / "cat", 20)
    write_images(tmp_path / "dog" / "deeper", 10)
    datamodule = ImageFolderDataModule(str(tmp_path), **SMALL)
    val = next(iter(datamodule.val_dataloader()))
    assert torch.bincount(val.target).tolist() == [2, 1]
    assert datamodule.num_instances == 27
    chosen = ImageFolderDataModule(str(tmp_path), val_fraction=0.0, **SMALL)
    assert chosen.num_instances == 30
    assert chosen.val_dataloader() == []


def test_flat_folder_without_labels(tmp_path, write_images):
    write_images(tmp_path, 8)
    datamodule = ImageFolderDataModule(str(tmp_path), **SMALL)
    assert datamodule.num_instances == 8
    assert datamodule.num_classes == 0
    assert datamodule.val_dataloader() == []
    assert datamodule.bank_dataloader() == []


def test_images_beside_class_folders_have_no_label(tmp_path, write_images):
    write_images(tmp_path, 5)
    write_images(tmp_path / "cat", 3)
    datamodule = ImageFolderDataModule(str(tmp_path), val_fraction=0.0, **SMALL)
    assert datamodule.num_instances == 8
    bank = next(iter(datamodule.bank_dataloader()))
    assert bank.target.tolist() == [0, 0, 0]
    assert bank.index.tolist() == [5, 6, 7]


def test_images_of_many_sizes_are_read_as_they_are_needed(tmp_path, write_images):
    for number, size in enumerate([(20, 10), (10, 30), (40, 40), (9, 9)]):
        write_images(tmp_path / f"class{number}", 2, size)
    datamodule = ImageFolderDataModule(str(tmp_path), val_fraction=0.0, **SMALL)
    assert not datamodule.splits.train.uniform
    assert next(iter(datamodule.train_dataloader())).views[0].shape == (4, 3, 8, 8)
    assert next(iter(datamodule.bank_dataloader())).image.shape == (8, 3, 8, 8)
    held = ImageFolderDataModule(str(tmp_path), val_fraction=0.0, in_memory=True, **SMALL)
    assert held.splits.train.images.shape == (8, 3, 8, 8)
    assert torch.equal(
        next(iter(held.bank_dataloader())).image, next(iter(datamodule.bank_dataloader())).image
    )


def test_gray_images(tmp_path, write_images):
    write_images(tmp_path, 4)
    datamodule = ImageFolderDataModule(str(tmp_path), image_channels=1, **SMALL)
    assert next(iter(datamodule.train_dataloader())).views[0].shape == (4, 1, 8, 8)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        ImageFolderDataModule(str(tmp_path / "nowhere")).setup("fit")


def test_empty_folder(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "notes.txt").write_text("nothing here")
    with pytest.raises(FileNotFoundError, match=r"no images in .*train .*\.jpg"):
        ImageFolderDataModule(str(tmp_path)).setup("fit")


def test_class_that_the_training_images_lack(tmp_path, write_images):
    write_images(tmp_path / "train" / "cat", 2)
    write_images(tmp_path / "val" / "unicorn", 2)
    with pytest.raises(ValueError, match="unicorn"):
        ImageFolderDataModule(str(tmp_path), **SMALL).setup("fit")


def damaged(tmp_path, write_images, sizes):
    for number, size in enumerate(sizes):
        write_images(tmp_path / f"{number:02d}", 1, size, suffix=".jpg")
    broken = tmp_path / "01" / "000.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    return broken


MANY_SIZES = [(10 + number, 12) for number in range(6)]
ONE_SIZE = [(10, 12)] * 6


@pytest.mark.parametrize("sizes", [MANY_SIZES, ONE_SIZE])
@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_image_is_named(tmp_path, write_images, sizes, workers):
    broken = damaged(tmp_path, write_images, sizes)
    datamodule = ImageFolderDataModule(
        str(tmp_path), image_size=8, batch_size=6, num_workers=workers, val_fraction=0.0
    )
    with pytest.raises(UnreadableImageError, match=f"(?s){broken}.*on_error: skip"):
        list(datamodule.train_dataloader())


@pytest.mark.parametrize("sizes", [MANY_SIZES, ONE_SIZE])
@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_keeps_labels_and_indices(tmp_path, write_images, sizes, workers):
    broken = damaged(tmp_path, write_images, sizes)
    datamodule = ImageFolderDataModule(
        str(tmp_path),
        image_size=8,
        batch_size=6,
        num_workers=workers,
        val_fraction=0.0,
        on_error="skip",
    )
    (batch,) = datamodule.train_dataloader()
    assert sorted(batch.index.tolist()) == [0, 2, 2, 3, 4, 5]  # the next one in its place
    assert torch.equal(batch.target, batch.index)
    (bank,) = datamodule.bank_dataloader()
    assert bank.index.tolist() == bank.target.tolist() == [0, 2, 3, 4, 5]
    for row, index in enumerate(bank.index.tolist()):
        with Image.open(tmp_path / f"{index:02d}" / "000.jpg") as image:
            assert image.size[1] == sizes[index][0]
        assert datamodule.splits.train.name(index) == str(tmp_path / f"{index:02d}" / "000.jpg")
        assert bank.image[row].std() > 0
    assert datamodule.skipped_images == [str(broken)]
    with pytest.warns(UserWarning, match=f"(?s)Skipped 1 unreadable image.*{broken}"):
        datamodule.teardown("fit")


def test_evaluation_batch_without_a_readable_image_is_empty(tmp_path, write_images):
    broken = damaged(tmp_path, write_images, MANY_SIZES)
    datamodule = ImageFolderDataModule(
        str(tmp_path), image_size=8, eval_batch_size=1, num_workers=0, val_fraction=0.0,
        on_error="skip",
    )  # fmt: skip
    batches = list(datamodule.bank_dataloader())
    assert [len(batch.index) for batch in batches] == [1, 0, 1, 1, 1, 1]
    assert batches[1].image.shape == (0, 3, 8, 8)
    assert datamodule.skipped_images == [str(broken)]


def test_nothing_readable(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"not an image")
    datamodule = ImageFolderDataModule(str(tmp_path), on_error="skip", **SMALL)
    with pytest.raises(ValueError, match="None of the 4 images can be read"):
        next(iter(datamodule.train_dataloader()))


def test_wrong_on_error(tmp_path, write_images):
    write_images(tmp_path, 4)
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        ImageFolderDataModule(str(tmp_path), on_error="ignore", **SMALL).setup("fit")


def predicted(datamodule):
    return torch.cat([batch.index for batch in datamodule.predict_dataloader()]).tolist()


def test_all_images_of_a_folder_are_predicted_and_the_split_is_said(tmp_path, write_images, capsys):
    write_images(tmp_path / "cat", 20)
    write_images(tmp_path / "dog", 10)
    data = ImageFolderDataModule(str(tmp_path), **SMALL)
    assert predicted(data) == list(range(30))
    assert "predicting on 30 images (all splits)" in capsys.readouterr().out
    source = data.predict_dataloader().dataset.source
    assert source.name(0) == str(tmp_path / "cat" / "000.png")
    held_out = ImageFolderDataModule(str(tmp_path), predict_split="val", **SMALL)
    assert len(predicted(held_out)) == 3
    assert "predicting on 3 images (split val)" in capsys.readouterr().out


def test_a_split_is_predicted_by_name(tmp_path, write_images):
    for number, split in enumerate(("train", "val", "test")):
        write_images(tmp_path / split / "cat", 2 + number, (12 + number, 10))
    lengths = {
        split: len(predicted(ImageFolderDataModule(str(tmp_path), predict_split=split, **SMALL)))
        for split in (None, "train", "val", "test", "all")
    }
    assert lengths == {None: 4, "train": 2, "val": 3, "test": 4, "all": 9}
    data = ImageFolderDataModule(str(tmp_path), predict_split="all", **SMALL)
    assert predicted(data) == list(range(9))
    source = data.predict_dataloader().dataset.source
    assert source.name(8) == str(tmp_path / "test" / "cat" / "003.png")
    expected = [image for part in data.splits.parts() for image in part.read(range(len(part)))]
    read = source.read(range(9))
    assert all(torch.equal(a, b) for a, b in zip(read, expected, strict=True))
    with pytest.raises(ValueError, match="predict_split must be"):
        ImageFolderDataModule(str(tmp_path), predict_split="dev")
    write_images(tmp_path / "alone", 3)
    alone = ImageFolderDataModule(str(tmp_path / "alone"), predict_split="test", **SMALL)
    with pytest.raises(ValueError, match="predict_split is 'test', but the data have no test"):
        alone.predict_dataloader()


def test_skipped_images_of_joined_splits(tmp_path, write_images):
    for split in ("train", "val"):
        write_images(tmp_path / split / "cat", 3)
    (tmp_path / "val" / "cat" / "001.png").write_bytes(b"")
    data = ImageFolderDataModule(str(tmp_path), predict_split="all", on_error="skip", **SMALL)
    assert predicted(data) == [0, 1, 2, 3, 5]
