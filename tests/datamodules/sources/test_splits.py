import dataclasses

import pytest
import torch
from metaug.datamodules import FileSource, InMemorySource, Splits
from metaug.datamodules.sources.image_source import SubsetSource
from metaug.datamodules.sources.splits import hold_out


def test_val_fraction_holds_out_the_same_part_of_every_class(toy):
    datamodule = toy(val_fraction=0.25)
    val = next(iter(datamodule.val_dataloader()))
    assert torch.bincount(val.target).tolist() == [4, 4, 4, 4]
    assert datamodule.num_instances == 48
    train = {tuple(image.flatten().tolist()) for image in datamodule.splits.train.read(range(48))}
    held_out = {tuple(image.flatten().tolist()) for image in datamodule.splits.val.read(range(16))}
    assert not train & held_out


def test_val_fraction_needs_labels(toy):
    class Unlabeled(toy):
        def load(self):
            return Splits(train=InMemorySource(super().load().train.images))

    with pytest.raises(ValueError, match=r"val_fraction=0\.1 .* none of them has a label"):
        Unlabeled(val_fraction=0.1).setup("fit")


def random_source(count, targets=None):
    images = torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8)
    return InMemorySource(images, targets, list("ab"))


def pixels(source):
    return {tuple(image.flatten().tolist()) for image in source.read(range(len(source)))}


def test_what_is_held_out_leaves_the_bank():
    """A probe that finds the very image that it is asked about is always right."""
    labeled = random_source(20, torch.arange(20) % 2)
    splits = Splits(train=random_source(30), bank=labeled)
    held_out = hold_out(splits, 0.2, seed=1)
    assert held_out.train is splits.train
    assert (len(held_out.bank), len(held_out.val)) == (16, 4)
    assert not pixels(held_out.bank) & pixels(held_out.val)
    assert pixels(held_out.bank) | pixels(held_out.val) == pixels(labeled)


def test_splits_stay_as_they_are():
    splits = Splits(train=random_source(4, torch.arange(4) % 2))
    hold_out(splits, 0.5)
    assert (len(splits.train), splits.val) == (4, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        splits.val = splits.train


def test_unreadable_images_are_named_once(tmp_path):
    source = FileSource([tmp_path / "a.png", tmp_path / "b.png"], on_error="skip")
    splits = Splits(train=source, bank=SubsetSource(source, [1]))
    assert splits.unreadable_names() == []
    source.read([1])
    assert splits.unreadable_names() == [str(tmp_path / "b.png")]
