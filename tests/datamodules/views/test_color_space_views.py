import numpy as np
import pytest
import torch
from metaug.datamodules import ColorSpaceViews
from metaug.datamodules.transforms.color_space import CENTER, HALF_RANGE, from_rgb, to_rgb
from metaug.datamodules.transforms.geometry import RandomCrop
from metaug.datamodules.transforms.seeding import Draws, sample_seeds
from skimage import color as reference


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8, generator=generator)
    images[0, :, :2] = torch.tensor([0, 255], dtype=torch.uint8)[None, :, None]
    return images


@pytest.mark.parametrize(("space", "convert"), [("lab", "rgb2lab"), ("ycbcr", "rgb2ycbcr")])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
def test_conversion_is_scikit_images(images, space, convert, dtype, tolerance):
    rgb = images.to(dtype) / 255
    expected = getattr(reference, convert)(rgb.double().numpy(), channel_axis=1)
    result = from_rgb(rgb, space)
    np.testing.assert_allclose(result.numpy(), expected, atol=tolerance, rtol=0)
    torch.testing.assert_close(to_rgb(result, space), rgb, atol=1e-3, rtol=0)


def test_normalization_is_the_published_one():
    """CMC scales L from 0..100, a from -86.183..98.233 and b from -107.857..94.478 to -1..1."""
    ends = torch.tensor([[0, -86.183, -107.857], [100, 98.233, 94.478]])
    scaled = (ends - torch.tensor(CENTER["lab"])) / torch.tensor(HALF_RANGE["lab"])
    torch.testing.assert_close(scaled, torch.tensor([[-1.0] * 3, [1.0] * 3]), atol=1e-6, rtol=0)
    assert CENTER["ycbcr"] == (116.151, 121.080, 132.342)
    assert HALF_RANGE["ycbcr"] == (109.500, 111.855, 111.964)


@pytest.mark.parametrize("space", ["lab", "ycbcr"])
def test_views_are_the_channels_of_one_crop(images, space):
    seeds = sample_seeds(0, 0, torch.arange(4))
    light, color, everything = ColorSpaceViews(space, size=16)(images, seeds)
    assert [light.shape[1], color.shape[1], everything.shape[1]] == [1, 2, 3]
    assert torch.equal(torch.cat([light, color], 1), everything)

    crop = RandomCrop((0.2, 1.0))(images, Draws(seeds, 0), 16).double()
    convert = {"lab": reference.rgb2lab, "ycbcr": reference.rgb2ycbcr}[space]
    expected = torch.from_numpy(convert(crop.numpy(), channel_axis=1))
    center = torch.tensor(CENTER[space])[:, None, None]
    half_range = torch.tensor(HALF_RANGE[space])[:, None, None]
    torch.testing.assert_close(
        everything.double(), (expected - center) / half_range, atol=1e-4, rtol=0
    )
    assert everything.abs().max() < 1.3


def test_own_crops_differ(images):
    seeds = sample_seeds(0, 0, torch.arange(4))
    light, _, everything = ColorSpaceViews(size=16, crop="own")(images, seeds)
    assert not torch.equal(light, everything[:, :1])


def test_evaluation_gives_all_channels(images):
    views = ColorSpaceViews(size=24).bind(
        size=24, mean=(0.5,) * 3, std=(0.5,) * 3
    )  # the data set's are for RGB
    result = views.evaluate(images, 24)
    expected = reference.rgb2lab(images.double().numpy() / 255, channel_axis=1)
    center = torch.tensor(CENTER["lab"])[:, None, None]
    half_range = torch.tensor(HALF_RANGE["lab"])[:, None, None]
    torch.testing.assert_close(
        result.double(), (torch.from_numpy(expected) - center) / half_range, atol=1e-4, rtol=0
    )


def test_pictures_of_the_views(images):
    views = ColorSpaceViews(size=16, flip=0, crop_scale=(1, 1))
    batch = views(images, sample_seeds(0, 0, torch.arange(4)))
    pictures = [views.show(view[1], number) for number, view in enumerate(batch)]
    assert all(picture.shape == (3, 16, 16) for picture in pictures)
    gray = pictures[0]
    assert (gray.amax(0) - gray.amin(0)).max() < 0.01
    crop = RandomCrop((1, 1), flip=0)(images, Draws(sample_seeds(0, 0, torch.arange(4))), 16)
    torch.testing.assert_close(pictures[2], crop[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "hsv"}, "space must be 'lab' or 'ycbcr', got 'hsv'"),
        ({"channels": [[0]]}, "num_views must be .*, got 1"),
        ({"channels": [[0], [3]]}, "some of 0, 1 and 2"),
        ({"channels": [[0], []]}, "some of 0, 1 and 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ColorSpaceViews(**arguments)


def test_gray_images_are_refused():
    views = ColorSpaceViews(size=8)
    with pytest.raises(ValueError, match="these have 1"):
        views(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.arange(2))
