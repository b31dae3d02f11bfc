import pytest
import torch
from metaug.datamodules import MultiCropViews, RandomCrop, SimCLRChanges, SimCLRViews
from metaug.datamodules.transforms.seeding import sample_seeds


def test_sizes_and_order():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    seeds = sample_seeds(0, 0, torch.arange(4))
    views = MultiCropViews(2, 3, size=32)
    assert views.num_views == 5
    assert [view.shape[2] for view in views(images, seeds)] == [32, 32, 16, 16, 16]
    assert MultiCropViews(2, 1, size=32, local_size=12)(images, seeds)[2].shape[2] == 12


def test_local_crops_show_less_of_the_image():
    ramp = torch.linspace(0, 255, 64).to(torch.uint8).expand(1, 3, 64, 64)
    views = MultiCropViews(
        1,
        1,
        size=32,
        global_crop=RandomCrop((0.3, 1.0), flip=0),
        local_crop=RandomCrop((0.05, 0.3), flip=0),
        changes=[],
    )
    images, seeds = ramp.expand(300, -1, -1, -1), sample_seeds(0, 0, torch.arange(300))
    large, small = views(images, seeds)
    large_width, small_width = (
        (view[:, 0, 0, -1] - view[:, 0, 0, 0]).mean() for view in (large, small)
    )
    assert large_width > 0.7
    assert 0.2 < small_width < 0.5


def test_reduced_crops_are_smoothed():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    views = MultiCropViews(2, 0, size=16, global_crop=RandomCrop((1, 1), flip=0), changes=[])
    view = views(stripes, torch.arange(1))[0]
    assert (view - 0.5).abs().max() < 0.15  # not the black or white of single columns


def test_one_view():
    with pytest.raises(ValueError, match=r"num_views must be .*, got 1"):
        MultiCropViews(1, 0)


def test_the_global_views_are_simclrs_of_the_same_recipe():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    seeds = sample_seeds(0, 0, torch.arange(4))
    changes = {"strength": 1.0, "blur": 0.5, "solarize": 0.2}
    views = MultiCropViews(2, 1, size=32, changes=[SimCLRChanges(**changes)])(images, seeds)
    expected = SimCLRViews(2, size=32, crop_scale=(0.3, 1.0), **changes)(images, seeds)
    assert all(torch.equal(a, b) for a, b in zip(views[:2], expected, strict=True))
