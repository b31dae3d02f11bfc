import math

import pytest
import torch
from metaug.datamodules.transforms import geometry
from metaug.datamodules.transforms.seeding import Draws, sample_seeds
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF


def draws(count, seed=0):
    return Draws(sample_seeds(seed, 0, torch.arange(count)))


def test_resample_is_an_unsmoothed_resized_crop():
    images = torch.rand(5, 3, 11, 14)
    boxes = [(0, 0, 11, 14), (2, 3, 5, 4), (10, 13, 1, 1), (0, 6, 8, 8), (4, 0, 7, 9)]
    mirrored = torch.tensor([False, True, False, True, False])
    result = geometry.resample(images, torch.tensor(boxes, dtype=torch.float32), mirrored, 9)
    for image, box, flip, crop in zip(images, boxes, mirrored, result, strict=True):
        expected = TF.resized_crop(image, *box, size=[9, 9], antialias=False)
        expected = expected.flip(2) if flip else expected
        torch.testing.assert_close(crop, expected, atol=2e-5, rtol=0)


def test_boxes_are_distributed_as_torchvision_draws_them():
    count, size = 3000, (40, 60)
    crop = geometry.RandomCrop((0.1, 0.9))
    height, width = (torch.full((count,), float(edge)) for edge in size)
    ours = crop.boxes(height, width, draws(count))
    reference = torch.tensor(
        [
            v2.RandomResizedCrop.make_params(
                v2.RandomResizedCrop(8, scale=(0.1, 0.9)), [torch.zeros(1, *size)]
            )[key]
            for _ in range(count)
            for key in ("top", "left", "height", "width")
        ],
        dtype=torch.float32,
    ).view(count, 4)
    assert (ours >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= 40).all()
    assert (ours[:, 1] + ours[:, 3] <= 60).all()
    assert torch.equal(ours, ours.round())
    for column in range(4):
        standard_error = reference[:, column].std() / math.sqrt(count)
        gap = (ours[:, column].mean() - reference[:, column].mean()).abs()
        assert gap < 6 * standard_error
        for quantile in (0.1, 0.5, 0.9):
            a, b = ours[:, column].quantile(quantile), reference[:, column].quantile(quantile)
            assert abs(a - b) <= 2


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3)])
def test_extreme_images_can_be_cropped(shape):
    image = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    for images in ([image] * 4, image.expand(4, -1, -1, -1)):
        view = geometry.RandomCrop()(images, draws(4), 8)
        assert view.shape == (4, 3, 8, 8)
        assert view.isfinite().all()
        assert geometry.frame_whole(images, 8).shape == (4, 3, 8, 8)


def test_batches_and_lists_give_the_same_distribution():
    generator = torch.Generator().manual_seed(0)
    rows = torch.linspace(0, 255, 32)[:, None].expand(32, 32)
    images = torch.stack([rows, rows.T, rows.flip(0)]).to(torch.uint8).expand(500, 3, 32, 32)
    noise = torch.randint(0, 20, images.shape, generator=generator)
    images = (images + noise).clamp(max=255).to(torch.uint8)
    crop = geometry.RandomCrop((0.3, 1.0))
    together = crop(images, draws(500), 32)
    one_by_one = crop(list(images), draws(500), 32)
    # the same boxes, resized by the same rule up to rounding to 8 bits
    assert (together - one_by_one).abs().max() < 1.5 / 255


def test_mirror_images_are_as_frequent_as_asked():
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    image[..., :4] = 255
    for flip in (0.0, 0.3, 1.0):
        crop = geometry.RandomCrop((1.0, 1.0), (1.0, 1.0), flip)
        views = crop(image.expand(2000, -1, -1, -1), draws(2000), 8)
        assert (views[:, 0, 0, 0] == 0).float().mean().item() == pytest.approx(flip, abs=0.04)


def test_small_motion_without_motion_is_the_image():
    images = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    still = geometry.SmallMotion(0, 0, (1, 1), 0)(images, draws(4), 16)
    torch.testing.assert_close(still, images / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize("degrees", [90.0, -90.0])
def test_small_motion_turns_by_its_angle(degrees, monkeypatch):
    images = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    monkeypatch.setattr(Draws, "uniform", lambda self, low=0.0, high=1.0: torch.full((2,), high))
    motion = geometry.SmallMotion(abs(degrees), 0, (1, 1), 0)
    motion.degrees = degrees
    turned = motion(images, draws(2), 16)
    expected = TF.rotate(images / 255, degrees)
    other_way = TF.rotate(images / 255, -degrees)
    close = min((turned - expected).abs().max(), (turned - other_way).abs().max())
    assert close < 1e-4


def test_small_motion_shifts_and_zooms(monkeypatch):
    images = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    images[..., 6:10, 6:10] = 255
    monkeypatch.setattr(Draws, "uniform", lambda self, low=0.0, high=1.0: torch.full((1,), high))
    larger = geometry.SmallMotion(0, 0, (1.5, 1.5), 0)(images, draws(1), 16)
    assert larger.sum() == pytest.approx(36, abs=1)
    moved = geometry.SmallMotion(0, 0.25, (1, 1), 0)(images, draws(1), 16)
    torch.testing.assert_close(
        moved[0, 0], torch.roll(images[0, 0] / 255, (-4, -4), (0, 1)), atol=1e-4, rtol=0
    )


def test_frame_whole_keeps_the_middle():
    image = torch.zeros(3, 10, 30, dtype=torch.uint8)
    image[:, :, 10:20] = 255
    framed = geometry.frame_whole([image], 10)
    assert framed.shape == (1, 3, 10, 10)
    assert framed.min() == 1


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 0.2), (0.5, 1.5)])
def test_wrong_scales(scale):
    with pytest.raises(ValueError, match=r"scale must be .*, got"):
        geometry.RandomCrop(scale)


def test_a_box_has_a_pixel_where_no_ratio_fits():
    narrow = geometry.RandomCrop(ratio=(0.1, 0.2))
    boxes = narrow.boxes(torch.ones(4), torch.ones(4), draws(4))
    assert boxes.tolist() == [[0, 0, 1, 1]] * 4
    image = torch.full((3, 1, 1), 255, dtype=torch.uint8)
    assert torch.equal(narrow([image] * 4, draws(4), 8), torch.ones(4, 3, 8, 8))


def test_wrong_ratio_and_motion():
    with pytest.raises(ValueError, match="ratio"):
        geometry.RandomCrop(ratio=(2.0, 1.0))
    with pytest.raises(ValueError, match="scale"):
        geometry.SmallMotion(scale=(0.0, 1.0))


@pytest.mark.parametrize("shape", [(2, 60_000), (60_000, 2), (1, 40_000)])
def test_thin_images_take_no_more_memory_than_others(monkeypatch, shape):
    largest = 0
    resize = TF.resize

    def watch(image, size, **options):
        nonlocal largest
        largest = max(largest, size[0] * size[1])
        return resize(image, size, **options)

    monkeypatch.setattr(geometry.TF, "resize", watch)
    image = torch.zeros(3, *shape, dtype=torch.uint8)
    middle = [edge // 2 for edge in shape]
    image[:, middle[0] - 1 : middle[0] + 1, middle[1] - 1 : middle[1] + 1] = 255
    framed = geometry.frame_whole([image], 32)
    assert framed.shape == (1, 3, 32, 32)
    assert framed[:, :, 16, 16].min() > 0.9  # the middle
    assert largest <= 17 * 32 * 32
    crops = geometry.RandomCrop()([image] * 2, draws(2), 32)
    assert crops.shape == (2, 3, 32, 32)


def test_thin_images_of_one_size_are_cropped_in_bounds(monkeypatch):
    finest = 0
    resample = geometry.resample

    def watch(images, boxes, mirrored, size):
        nonlocal finest
        finest = max(finest, size)
        return resample(images, boxes, mirrored, size)

    monkeypatch.setattr(geometry, "resample", watch)
    geometry.RandomCrop()(torch.zeros(2, 3, 16, 20_000, dtype=torch.uint8), draws(2), 8)
    assert finest <= 32
