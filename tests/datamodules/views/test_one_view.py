import pytest
import torch
from metaug.datamodules import RandomCrop, SimCLRViews
from metaug.datamodules.views.one_view import OneView


def test_the_whole_image_is_the_evaluation_image():
    images = torch.randint(0, 256, (3, 3, 12, 12), dtype=torch.uint8)
    views = SimCLRViews(size=8, mean=(0.5,) * 3, std=(0.2,) * 3)
    (view,) = OneView(views)(images, torch.arange(3))
    assert torch.equal(view, views.evaluate(images, 8))
    (crop,) = OneView(views, RandomCrop())(images, torch.arange(3))
    assert crop.shape == view.shape
    assert not torch.equal(crop, view)


def test_size_must_be_known():
    with pytest.raises(ValueError, match="size is not set"):
        OneView(SimCLRViews())(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.arange(2))
