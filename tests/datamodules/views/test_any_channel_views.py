"""Views of any number of channels, and what those of RGB say of others."""

import pytest
import torch
from metaug.datamodules import (
    AnyChannelViews,
    ColorJitter,
    ColorSpaceViews,
    DatasetDataModule,
    DigitViews,
    Grayscale,
    MultiCropViews,
    RandomCrop,
    Recipe,
    RecipeViews,
    SimCLRViews,
    Solarize,
    TransformViews,
)
from metaug.datamodules.transforms.color import contrast
from torch.utils.data import TensorDataset


def data(views, channels=5, **arguments):
    numbers = {"mean": [0.5] * channels, "std": [0.2] * channels}
    return DatasetDataModule(
        TensorDataset(torch.rand(8, channels, 24, 20)), views=views, image_channels=channels,
        image_size=16, batch_size=4, num_workers=0, **numbers | arguments,
    )  # fmt: skip


def of_change(change):
    return RecipeViews([Recipe(RandomCrop(), [change])] * 2)


@pytest.mark.parametrize(
    ("views", "option"),
    [
        (SimCLRViews(), "strength=0.5 of SimCLR"),
        (SimCLRViews(strength=0.0), "grayscale=0.2 of SimCLR"),
        (SimCLRViews(strength=0.0, grayscale=0.0, solarize=0.1), "solarize=0.1 of SimCLR"),
        (MultiCropViews(), "strength=0.5 of SimCLR"),
        (of_change(ColorJitter(hue=0.0)), "saturation=0.4 of ColorJitter"),
        (of_change(ColorJitter(saturation=0.0)), "hue=0.1 of ColorJitter"),
        (of_change(Grayscale()), "probability=0.2 of Grayscale"),
        (of_change(Solarize()), "probability=0.2 of Solarize"),
    ],
)
@pytest.mark.parametrize("channels", [2, 4, 5])
def test_changes_of_colors_name_the_option_and_a_recipe(views, option, channels):
    message = f"{option}.* have {channels} channels .*AnyChannelViews .*any_channels.yaml"
    with pytest.raises(ValueError, match=message):
        data(views, channels)


@pytest.mark.parametrize("channels", [1, 5])
def test_color_spaces_are_those_of_rgb(channels):
    with pytest.raises(ValueError, match=f"have {channels}. Set image_channels: 3, or .*AnyCh"):
        data(ColorSpaceViews(), channels)


@pytest.mark.parametrize(
    "views",
    [
        None,
        AnyChannelViews(3, noise=0.01),
        SimCLRViews(strength=0.0, grayscale=0.0, blur=0.5),
        DigitViews(),
        of_change(ColorJitter(saturation=0.0, hue=0.0)),
        TransformViews(lambda image: image[:, :16, :16]),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_recipes_without_colors_take_any(views, channels):
    module = data(views, channels)
    batch = next(iter(module.train_dataloader()))
    assert all(view.shape == (4, channels, 16, 16) for view in batch.views)
    assert not torch.equal(batch.views[0], batch.views[1]) or isinstance(views, TransformViews)


def test_contrast_is_about_the_mean_of_all_channels():
    images = torch.rand(3, 5, 6, 7) * 0.2 + 0.4
    factor = torch.tensor([0.5, 1.0, 1.5])
    mean = images.mean((1, 2, 3), keepdim=True)
    expected = (images - mean) * factor[:, None, None, None] + mean
    torch.testing.assert_close(contrast(images, factor), expected, atol=2e-5, rtol=0)


def test_all_channels_change_alike():
    images = torch.rand(8, 1, 24, 20).expand(-1, 5, -1, -1)
    views = AnyChannelViews(size=16, noise=0.0)(images, torch.arange(8))
    for view in views:
        assert torch.equal(view, view[:, :1].expand(-1, 5, -1, -1))


def test_pictures_of_deep_images_are_refused_for_pil():
    views = TransformViews(lambda image: image, as_pil=True, size=8)
    with pytest.raises(ValueError, match="as_pil needs images of 8 bits and 1 or 3 channels"):
        views(torch.rand(2, 3, 8, 8), torch.arange(2))


@pytest.mark.parametrize(
    ("with_it", "without"),
    [
        (AnyChannelViews(size=16, blur=0.0), AnyChannelViews(size=16, blur=0.0, strength=0.0)),
        (AnyChannelViews(size=16, strength=0.0), AnyChannelViews(size=16, strength=0.0, blur=0.0)),
        (
            DigitViews(size=16, blur=0.0, noise=0.0),
            DigitViews(size=16, blur=0.0, noise=0.0, contrast=0.0),
        ),
        (
            DigitViews(size=16, contrast=0.0, blur=0.0),
            DigitViews(size=16, contrast=0.0, blur=0.0, noise=0.0),
        ),
    ],
    ids=["jitter", "blur", "contrast", "noise"],
)
def test_each_change_changes_images(with_it, without):
    images = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    made = [views(images, seeds=torch.arange(16)) for views in (with_it, without)]
    assert not torch.allclose(made[0][0], made[1][0], atol=0.01)
    assert with_it.num_views == without.num_views == 2
