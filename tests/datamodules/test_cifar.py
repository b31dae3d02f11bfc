import pickle

import numpy as np
import pytest
import torch
from metaug.datamodules import CIFAR10DataModule, CIFAR100DataModule


@pytest.fixture
def no_internet(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)


@pytest.mark.parametrize(
    ("module", "file"),
    [
        (CIFAR10DataModule, "cifar-10-python.tar.gz"),
        (CIFAR100DataModule, "cifar-100-python.tar.gz"),
    ],
)
def test_missing_without_internet_says_which_file_to_put_where(tmp_path, no_internet, module, file):
    with pytest.raises(FileNotFoundError, match=f"(?s)no route to host.*https.*{tmp_path}/{file}"):
        module(str(tmp_path)).prepare_data()


def test_reads_the_published_format(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = {}
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        pixels[name] = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        entry = {"data": pixels[name], "labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(pickle.dumps(entry))
    names = {"label_names": [f"class{number}" for number in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)

    datamodule = CIFAR10DataModule(str(tmp_path), batch_size=4, val_fraction=0.0)
    datamodule.prepare_data()
    datamodule.setup("fit")
    assert datamodule.num_instances == 20
    assert datamodule.num_classes == 10
    first = datamodule.splits.train.read([4])[0]
    assert torch.equal(first, torch.from_numpy(pixels["data_batch_2"][0]).view(3, 32, 32))
    assert len(datamodule.val_dataloader().dataset) == 4
