import pytest
import torch
from metaug.datamodules import (
    ColorSpaceViews,
    DigitsDataModule,
    ImageFolderDataModule,
    LabelledDataModule,
    RandomCrop,
    SmallMotion,
)
from PIL import Image


def kept(**settings) -> torch.Tensor:
    data = LabelledDataModule(DigitsDataModule(), **settings)
    data.setup("fit")
    return data.splits.train.indices


def test_a_fraction_of_every_class_fixed_by_the_seed():
    whole = DigitsDataModule()
    counts = torch.bincount(whole.splits.train.targets)
    data = LabelledDataModule(whole, label_fraction=0.1)
    found = torch.bincount(data.splits.train.targets)
    assert found.tolist() == [round(0.1 * count) for count in counts.tolist()]
    assert torch.equal(kept(label_fraction=0.1), kept(label_fraction=0.1))
    assert not torch.equal(kept(label_fraction=0.1), kept(label_fraction=0.1, seed=1))
    assert set(kept(label_fraction=0.01).tolist()) < set(kept(label_fraction=0.1).tolist())


def test_few_labels_are_those_of_the_other_data_modules():
    whole = DigitsDataModule(labels_per_class=5, seed=3)
    data = LabelledDataModule(DigitsDataModule(), labels_per_class=5, seed=3)
    expected = torch.cat([batch.image for batch in whole.bank_dataloader()])
    found = torch.cat([batch.image for batch in data.bank_dataloader()])
    assert torch.equal(found, expected)
    assert data.num_instances == 50


def test_without_augmentation_training_images_are_the_evaluation_images():
    data = LabelledDataModule(DigitsDataModule(), labels_per_class=2, batch_size=64)
    (batch,) = list(data.train_dataloader())
    (clean,) = list(data.bank_dataloader())
    assert data.num_views == len(batch.views) == 1
    assert len(batch.target) == 20  # a batch of 64 would be more than there is
    order = batch.index.argsort()
    assert torch.equal(batch.views[0][order], clean.image)
    assert torch.equal(batch.target[order], clean.target)


def test_augmented_images_change_from_epoch_to_epoch_and_keep_their_labels():
    data = LabelledDataModule(DigitsDataModule(), label_fraction=0.05, augmentation=SmallMotion())
    loader = data.train_dataloader()
    found = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        (batch,) = list(loader)
        order = batch.index.argsort()
        assert torch.equal(batch.target[order], data.splits.train.targets)
        found.append(batch.views[0][order])
    assert found[0].shape == found[1].shape
    assert not torch.equal(found[0], found[1])
    means = [images.mean((1, 2, 3)) for images in (found[0], next(iter(data.bank_dataloader()))[0])]
    assert torch.corrcoef(torch.stack(means))[0, 1] > 0.5  # moved, normalized in the same way


@pytest.fixture
def folder(tmp_path):
    colors = {"red": (200, 20, 20), "blue": (20, 20, 200)}
    for name, color in colors.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (16, 16), color).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


def test_color_space_and_normalization_are_those_of_the_other_views(folder):
    whole = ImageFolderDataModule(str(folder), image_size=16, views=ColorSpaceViews())
    data = LabelledDataModule(whole, augmentation=RandomCrop(scale=(0.5, 1.0)), num_workers=0)
    batch = next(iter(data.train_dataloader()))
    clean = next(iter(data.bank_dataloader()))
    by_index = {int(i): image for i, image in zip(clean.index, clean.image, strict=True)}
    for image, index in zip(batch.views[0], batch.index, strict=True):
        # every image has one color, so a crop of it is the image
        torch.testing.assert_close(image, by_index[int(index)], atol=1e-5, rtol=1e-5)


def test_errors_name_the_value_and_how_to_fix_it(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"label_fraction must be .* above 0 and at most 1, or null, got 10; 1 % is 0.01",
    ):
        LabelledDataModule(DigitsDataModule(), label_fraction=10)
    with pytest.raises(ValueError, match=r"label_fraction=0.1 and labels_per_class=5 both"):
        LabelledDataModule(DigitsDataModule(), label_fraction=0.1, labels_per_class=5)
    Image.new("RGB", (16, 16)).save(tmp_path / "alone.png")
    data = LabelledDataModule(ImageFolderDataModule(str(tmp_path), image_size=16))
    with pytest.raises(ValueError, match="has no labeled training images to evaluate with"):
        data.setup("fit")


def test_a_batch_is_at_most_what_there_is_also_before_the_loader_is_made():
    data = LabelledDataModule(DigitsDataModule(), labels_per_class=2, batch_size=64)
    data.setup("fit")
    before = data.state_dict()
    data.train_dataloader()
    assert data.state_dict() == before == {"seed": 0, "global_batch_size": 20}
    assert data.batch_size == 64
