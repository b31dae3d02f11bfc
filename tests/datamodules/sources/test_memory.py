import pytest
import torch
from metaug.datamodules import FileSource
from metaug.datamodules.sources.memory import hold, hold_files


@pytest.fixture
def files(tmp_path, write_images):
    """Seventy images of one size, and the 70th of another, which no spot check sees."""
    write_images(tmp_path, 70, (6, 6))
    write_images(tmp_path / "odd", 1, (9, 6))
    paths = sorted(tmp_path.glob("*.png"))
    paths.insert(69, tmp_path / "odd" / "000.png")
    return paths


def test_images_of_one_size_are_held_as_they_are(files):
    source = FileSource(files[:69], torch.arange(69) % 3, list("abc"))
    held = hold_files(source, "auto", size=99)
    assert held.images.shape == (69, 3, 6, 6)
    assert torch.equal(held.images, torch.stack(source.read(range(69))))
    assert torch.equal(held.targets, source.targets)
    assert held.name(5) == source.name(5)


def test_one_odd_image_is_noticed(files):
    source = FileSource(files)
    assert hold(source) is None
    assert hold_files(source, "auto", size=6) is source
    assert hold_files(source, True, size=6).images.shape == (71, 3, 6, 6)
    assert hold_files(source, False, size=6) is source


def test_auto_stays_within_its_limit(files, monkeypatch):
    source = FileSource(files[:69])
    monkeypatch.setattr("metaug.datamodules.sources.memory.LIMIT", 69 * 3 * 36 - 1)
    assert hold_files(source, "auto", size=6) is source
    monkeypatch.setattr("metaug.datamodules.sources.memory.LIMIT", 69 * 3 * 36)
    assert hold_files(source, "auto", size=6) is not source


def test_many_threads_give_the_same_as_one(files):
    source = FileSource(files[:69])
    assert torch.equal(hold(source, threads=4).images, hold(source, threads=1).images)


def test_wrong_choice(files):
    with pytest.raises(ValueError, match="in_memory must be True, False or 'auto', got 'maybe'"):
        hold_files(FileSource(files), "maybe", size=6)
