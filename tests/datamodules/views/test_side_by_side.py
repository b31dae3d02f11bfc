"""Views of one recipe are made as one batch: few operations on a device, the same pixels."""

import pytest
import torch
from metaug.datamodules import (
    ColorSpaceViews,
    DigitViews,
    GaussianBlur,
    MultiCropViews,
    RandomCrop,
    Recipe,
    RecipeViews,
    SimCLRChanges,
    SimCLRViews,
    SmallMotion,
)
from metaug.datamodules.transforms.seeding import Draws, sample_seeds
from metaug.datamodules.views import chunks
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.launches import Launches


def asked_of_a_device(views, count=256, edge=32) -> Launches:
    """What the views of a batch ask of a GPU, seen with fake tensors."""
    views = views.bind(size=edge, mean=(0.5,) * 3, std=(0.2,) * 3)
    with FakeTensorMode(), torch.no_grad():
        images = torch.empty(count, 3, edge, edge, dtype=torch.uint8, device="cuda")
        seeds = torch.empty(count, dtype=torch.int64, device="cuda")
        views(images, seeds)  # normalization's constants are moved once
        with Launches() as launches:
            views(images, seeds)
    return launches


def test_simclr_views_of_cifar_take_few_operations():
    launches = asked_of_a_device(SimCLRViews())
    assert launches.total < 200, launches.counts.most_common()
    assert asked_of_a_device(SimCLRViews(num_views=6)).total == launches.total
    assert not launches.waits


@pytest.mark.parametrize(
    "views",
    [
        SimCLRViews(strength=1.0, blur=0.5, solarize=0.2),
        DigitViews(),
        MultiCropViews(),
        ColorSpaceViews("ycbcr", strength=0.5),
        RecipeViews([Recipe(SmallMotion()), Recipe(RandomCrop(), [GaussianBlur()])]),
    ],
)
def test_no_views_wait_for_the_device(views):
    assert not asked_of_a_device(views).waits


@pytest.fixture(params=["tensor", "odd", "list"])
def images(request):
    generator = torch.Generator().manual_seed(0)
    if request.param == "list":
        sizes = ((20, 30), (9, 9), (64, 200), (31, 7), (80, 80))
    else:
        sizes = ((32, 32) if request.param == "tensor" else (33, 29),) * 50
    made = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in sizes
    ]
    return made if request.param == "list" else torch.stack(made)


crop = Recipe(RandomCrop(), [SimCLRChanges(blur=0.5, solarize=0.2)])
motion = Recipe(SmallMotion(flip=0.5), [GaussianBlur()])


@pytest.mark.parametrize("recipes", [[crop] * 3, [crop, crop, motion, crop, motion, motion]])
@pytest.mark.parametrize("chunk", [1, 5_000, 1 << 19, 1 << 30])
def test_side_by_side_as_one_by_one(monkeypatch, images, recipes, chunk):
    monkeypatch.setattr(chunks, "_CHUNK", chunk)
    views = RecipeViews(recipes, size=17, mean=(0.5,) * 3, std=(0.2,) * 3)
    seeds = sample_seeds(0, 0, torch.arange(len(images)))
    together = views(images, seeds)
    for stream, (recipe, view) in enumerate(zip(recipes, together, strict=True)):
        alone = views.normalize(recipe(images, Draws(seeds, stream), 17))
        assert torch.equal(view, alone)


class Growing(RecipeViews):
    """One recipe, each view larger than the one before."""

    def view_size(self, view):
        return 8 + 3 * (view // 2)


def test_views_of_other_sizes_stay_apart(images):
    views = Growing([crop] * 5)(images, sample_seeds(0, 0, torch.arange(len(images))))
    assert [view.shape[-1] for view in views] == [8, 8, 11, 11, 14]
    assert not torch.equal(views[0], views[1])
