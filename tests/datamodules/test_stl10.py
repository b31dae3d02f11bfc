import numpy as np
import pytest
import torch
from metaug.datamodules import STL10DataModule


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Few images in the published binary format (columns first, labels from 1)."""
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = {}
    for split, count in (("train", 10), ("test", 6), ("unlabeled", 20)):
        pixels[split] = rng.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
        pixels[split].transpose(0, 1, 3, 2).tofile(folder / f"{split}_X.bin")
    (np.arange(10, dtype=np.uint8) % 10 + 1).tofile(folder / "train_y.bin")
    (np.arange(6, dtype=np.uint8) + 1).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("\n".join("abcdefghij"))
    monkeypatch.setattr("torchvision.datasets.stl10.check_integrity", lambda *args: True)
    return tmp_path, pixels


def test_trains_on_unlabeled_images_and_probes_on_labeled_ones(data):
    root, pixels = data
    datamodule = STL10DataModule(str(root), batch_size=20)
    datamodule.prepare_data()
    datamodule.setup("fit")
    assert datamodule.num_instances == 20
    (batch,) = datamodule.train_dataloader()
    assert batch.target.unique().tolist() == [-1]
    assert batch.views[0].shape == (20, 3, 96, 96)
    assert torch.equal(
        datamodule.splits.train.read([3])[0], torch.from_numpy(pixels["unlabeled"][3])
    )
    (bank,) = datamodule.bank_dataloader()
    assert bank.target.tolist() == list(range(10))
    (val,) = datamodule.val_dataloader()
    assert val.target.tolist() == list(range(6))
    assert datamodule.class_names == list("abcdefghij")


def test_may_train_on_both(data):
    datamodule = STL10DataModule(str(data[0]), train_split="train+unlabeled")
    assert datamodule.num_instances == 30


def test_missing_without_internet(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(FileNotFoundError, match=f"put it at {tmp_path}/stl10_binary.tar.gz"):
        STL10DataModule(str(tmp_path)).prepare_data()
