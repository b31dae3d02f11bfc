"""SimCLR's views against the same recipe written with torchvision, by their statistics."""

import pytest
import torch
from metaug.datamodules import SimCLRViews
from metaug.datamodules.transforms.seeding import sample_seeds
from torch.nn.functional import interpolate
from torchvision.transforms import v2

EDGE, COUNT = 32, 1500


@pytest.fixture(scope="module")
def pictures():
    """Smooth colored pictures with a little noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, 3, 5, 5, generator=generator)
    fine = interpolate(coarse, (EDGE, EDGE), mode="bicubic")
    noise = 0.03 * torch.randn(fine.shape, generator=generator)
    return (fine + noise).clamp(0, 1).mul(255).to(torch.uint8)


def statistics(views):
    """Numbers per view that crop, mirror, jitter, grayscale, blur and solarize each change."""
    gray = views.mean(1)
    return {
        "mean": views.mean((1, 2, 3)),
        "contrast": gray.flatten(1).std(1),
        "colorfulness": (views.amax(1) - views.amin(1)).mean((1, 2)),
        "colorless": (views.amax(1) - views.amin(1)).amax((1, 2)) < 0.01,
        "detail": (gray[:, :, 1:] - gray[:, :, :-1]).abs().mean((1, 2)),
        "curvature": (gray[:, 2:] - 2 * gray[:, 1:-1] + gray[:, :-2]).abs().mean((1, 2)),
        "red over blue": (views[:, 0] - views[:, 2]).abs().mean((1, 2)),
    }


def reference(strength, blur, solarize):
    """The same recipe for one image, with torchvision."""
    s = strength
    return v2.Compose(
        [
            v2.RandomResizedCrop(EDGE, scale=(0.2, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)], 0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(13, (0.1, 2.0))], blur),
            v2.RandomSolarize(128, solarize),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


@pytest.mark.parametrize(
    ("strength", "blur", "solarize"), [(0.5, 0.0, 0.0), (1.0, 0.5, 0.0), (0.5, 0.0, 0.4)]
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_same_statistics_as_torchvision(pictures, strength, blur, solarize, one_by_one):
    ours = SimCLRViews(size=EDGE, strength=strength, blur=blur, solarize=solarize)
    images = list(pictures) if one_by_one else pictures
    first, second = ours(images, sample_seeds(0, 0, torch.arange(COUNT)))
    transform = reference(strength, blur, solarize)
    theirs = statistics(torch.stack([transform(image) for image in pictures]))
    for views in (first, second):
        for name, values in statistics(views).items():
            expected = theirs[name].float()
            values = values.float()
            error = (values.var() / COUNT + expected.var() / COUNT).sqrt()
            # four standard errors, and 3 % for the fixed order of the jitter and unsmoothed crops
            allowed = 4 * error + 0.03 * expected.mean()
            assert (values.mean() - expected.mean()).abs() < allowed, name


def test_views_without_randomness_are_the_image(pictures):
    still = SimCLRViews(size=EDGE, crop_scale=(1, 1), flip=0, strength=0, grayscale=0)
    # a square image whose largest crop of any shape is itself or narrower
    for recipe in still.recipes:
        recipe.framing.ratio = (1.0, 1.0)
    for view in still(pictures[:8], torch.arange(8)):
        torch.testing.assert_close(view, pictures[:8] / 255, atol=1e-5, rtol=0)


def test_normalization():
    images = torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)
    views = SimCLRViews(
        size=8, strength=0, grayscale=0, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 0.5)
    )
    first = views(images, torch.arange(2))[0]
    torch.testing.assert_close(first[0, :, 0, 0], torch.tensor([1.0, 3.0, 2.0]))


def test_size_must_be_known():
    with pytest.raises(ValueError, match="size is not set"):
        SimCLRViews()(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.arange(2))
