"""Mean and standard deviation of channels: exact, in any order, over images of any kind."""

import numpy as np
import pytest
import torch
from metaug.datamodules import FileSource, InMemorySource
from metaug.datamodules.sources.statistics import channel_statistics
from PIL import Image


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("threads", [1, 4])
def test_they_are_those_of_all_pixels(tmp_path, deep, threads):
    rng = np.random.default_rng(0)
    top, dtype = (65535, np.uint16) if deep else (255, np.uint8)
    pixels, paths = [], []
    for number in range(30):
        shape = (6 + number % 4, 7, 5)
        values = (rng.beta(0.4, 3, shape) * top).astype(dtype)
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], values)
        unit = values.astype(np.float32) / np.float32(top) if deep else values / 255
        pixels.append(unit.astype(np.float64).reshape(-1, 5))
    found = channel_statistics(FileSource(paths, channels=5), threads)
    everything = np.concatenate(pixels)
    np.testing.assert_allclose(found.mean, everything.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, everything.std(0), rtol=1e-12)
    assert found.images == 30


def test_a_narrow_channel_loses_no_digits():
    values = 0.5 + 1e-6 * torch.rand(20, 1, 8, 8, dtype=torch.float64)
    images = values.to(torch.float32)
    found = channel_statistics(InMemorySource(images))
    assert found.std[0] == pytest.approx(float(images.double().std(correction=0)), rel=1e-9)


def test_unreadable_images_are_skipped_as_in_training(tmp_path):
    Image.new("RGB", (4, 4), (255, 0, 51)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    paths = [tmp_path / "b.png", tmp_path / "a.png"]
    found = channel_statistics(FileSource(paths, on_error="skip"))
    assert (found.images, found.mean, found.std) == (1, [1.0, 0.0, 0.2], [0.0] * 3)
    with pytest.raises(OSError, match=r"b\.png"):
        channel_statistics(FileSource(paths))
    with pytest.raises(ValueError, match="None of the 1 images"):
        channel_statistics(FileSource(paths[:1], on_error="skip"))
