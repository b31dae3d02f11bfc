"""Every change against torchvision's, image by image."""

import math

import pytest
import torch
from metaug.datamodules.transforms import color, texture
from metaug.datamodules.transforms.seeding import Draws, sample_seeds
from torchvision.transforms.v2 import functional as TF

FACTORS = [0.0, 0.4, 1.0, 1.7]
SHIFTS = [-0.5, -0.1, 0.0, 0.27]


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 9, 7, generator=generator)
    images[:, :, 0] = images[:, :1, 0]  # grays, whose hue is undefined
    images[:, :, 1] = 0
    images[:, :, 2] = 1
    images[:, 1, 3] = images[:, 0, 3]  # two channels share the maximum or minimum
    return images


def draws(count=4, seed=0):
    return Draws(sample_seeds(seed, 0, torch.arange(count)))


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factors(images, name):
    factors = torch.tensor(FACTORS)
    changed = getattr(color, name)(images.clone(), factors)
    reference = getattr(TF, f"adjust_{name}")
    for image, factor, result in zip(images, FACTORS, changed, strict=True):
        torch.testing.assert_close(result, reference(image, factor), atol=2e-5, rtol=0)


def test_hue(images):
    changed = color.hue(images.clone(), torch.tensor(SHIFTS))
    for image, shift, result in zip(images, SHIFTS, changed, strict=True):
        torch.testing.assert_close(result, TF.adjust_hue(image, shift), atol=1e-5, rtol=0)


def test_gray(images):
    for image, gray in zip(images, color.to_gray(images), strict=True):
        torch.testing.assert_close(gray, TF.rgb_to_grayscale(image), atol=1e-6, rtol=0)
    one_channel = images[:, :1]
    assert color.to_gray(one_channel) is one_channel


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.9])
def test_blur(sigma):
    images = torch.rand(3, 3, 20, 17)
    result = texture.blur(images, torch.full((3,), sigma), 2.0)
    kernel = 2 * math.ceil(3 * sigma) + 1
    reference = TF.gaussian_blur(images, [kernel, kernel], [sigma, sigma])
    torch.testing.assert_close(result, reference, atol=1e-5, rtol=0)


def test_blur_of_an_image_does_not_depend_on_its_batch():
    images, sigma = torch.rand(5, 3, 20, 17), torch.tensor([0.2, 0.5, 1.0, 1.5, 2.0])
    whole = texture.blur(images, sigma, 2.0)
    for row in range(5):
        alone = texture.blur(images[row : row + 1], sigma[row : row + 1], 2.0)
        assert torch.equal(alone[0], whole[row])


def test_blur_reaches_no_further_than_a_tiny_image():
    assert texture.blur(torch.rand(1, 3, 2, 2), torch.tensor([2.0]), 2.0).shape == (1, 3, 2, 2)


def test_solarize(images):
    result = color.Solarize(0.5, 1.0)(images, draws())
    torch.testing.assert_close(result, TF.solarize(images, 0.5))


def test_noise_has_its_strength_and_differs_between_images():
    images = torch.full((4, 1, 64, 64), 0.5)
    noisy = texture.Noise(0.1)(images, draws())
    assert (noisy - images).std().item() == pytest.approx(0.1, rel=0.03)
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize(
    "change",
    [
        color.ColorJitter(probability=0.3),
        color.Grayscale(0.3),
        color.Solarize(0.0, 0.3),
        texture.GaussianBlur((1.0, 2.0), 0.3),
        texture.Noise(0.3, 0.3),
    ],
    ids=lambda change: type(change).__name__,
)
def test_changes_happen_as_often_as_asked(change):
    images = torch.rand(1000, 3, 4, 4)
    before = images.clone()
    changed = change(images, draws(1000))
    assert torch.equal(images, before)  # the input is left alone
    part = (changed != images).flatten(1).any(1).float().mean().item()
    assert part == pytest.approx(0.3, abs=0.05)
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_changes_take_gray_and_color(channels):
    images = torch.rand(4, channels, 8, 8)
    for change in (color.ColorJitter(probability=1.0), color.Grayscale(1.0)):
        assert change(images, draws()).shape == images.shape


def test_jitter_draws_its_factors_from_the_stated_range():
    images = torch.full((2000, 3, 1, 1), 0.25)
    bright = color.ColorJitter(0.4, 0, 0, 0, 1.0)(images, draws(2000))[:, 0, 0, 0] / 0.25
    assert bright.min() == pytest.approx(0.6, abs=0.01)
    assert bright.max() == pytest.approx(1.4, abs=0.01)
    assert bright.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: color.ColorJitter(hue=0.7), r"hue must be .* at most 0\.5, got 0\.7"),
        (
            lambda: texture.GaussianBlur((0.0, 1.0)),
            r"of sigma must be .* above 0, got 0\.0",
        ),
        (lambda: texture.GaussianBlur((2.0, 1.0)), r"sigma must be \(low, high\).*got \(2\.0"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
