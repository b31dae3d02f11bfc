"""The views are the same wherever they are made."""

import pytest
import torch
from metaug.datamodules import (
    DatasetDataModule,
    ImageFolderDataModule,
    MultiViewBatch,
    TransformViews,
)
from metaug.datamodules.loading.device import augments_on_device


def test_device_path_gives_the_same_views(toy):
    in_workers = toy(batch_size=8)
    on_device = toy(batch_size=8, augment_on="device")
    for here, raw in zip(in_workers.train_dataloader(), on_device.train_dataloader(), strict=True):
        assert raw.image.dtype == torch.uint8
        there = on_device.on_after_batch_transfer(raw, 0)
        assert isinstance(there, MultiViewBatch)
        assert torch.equal(there.index, here.index)
        assert all(torch.equal(a, b) for a, b in zip(there.views, here.views, strict=True))


def test_device_path_needs_images_of_one_size(tmp_path, write_images):
    write_images(tmp_path / "a", 2, (10, 12))
    write_images(tmp_path / "b", 2, (20, 12))
    arguments = {"image_size": 8, "batch_size": 4, "augment_on": "device", "num_workers": 0}
    items = [torch.zeros(3, edge, 8, dtype=torch.uint8) for edge in (8, 9, 10, 11)]
    with pytest.raises(ValueError, match="set in_memory to true"):
        DatasetDataModule(items, **arguments).train_dataloader()
    held = ImageFolderDataModule(str(tmp_path), in_memory=True, val_fraction=0.0, **arguments)
    (batch,) = held.train_dataloader()
    assert batch.image.shape == (4, 3, 8, 8)


def test_augments_on_an_accelerator_by_default(toy):
    class Trainer:
        class strategy:
            root_device = torch.device("cuda")

    datamodule = toy(batch_size=8)
    source, views = datamodule.splits.train, datamodule.views
    assert not augments_on_device("auto", source, views, None)
    assert augments_on_device("auto", source, views, Trainer())
    assert not augments_on_device("workers", source, views, Trainer())
    foreign = TransformViews(lambda image: image)
    assert not augments_on_device("auto", source, foreign, Trainer())
