import numpy as np
import pytest
import torch
from metaug.datamodules import DatasetDataModule, DatasetSource
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset


class Items(Dataset):
    def __init__(self, items, **attributes):
        self.items = items
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)


FORMS = {
    "pil": Image.fromarray,
    "array": lambda array: array,
    "uint8": lambda array: torch.from_numpy(array).permute(2, 0, 1),
    "float": lambda array: torch.from_numpy(array).permute(2, 0, 1) / 255,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("item", ["image", "pair", "triple", "dictionary"])
def test_every_form_of_item(pixels, form, item):
    images = [FORMS[form](array) for array in pixels]
    items = {
        "image": images,
        "pair": [(image, number) for number, image in enumerate(images)],
        "triple": [(image, number, "name") for number, image in enumerate(images)],
        "dictionary": [{"img": image, "label": number} for number, image in enumerate(images)],
    }[item]
    source = DatasetSource(Items(items))
    expected = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    expected = expected / 255 if form == "float" else expected
    assert torch.equal(torch.stack(source.read(range(6))), expected)
    labeled = list(range(6)) if item != "image" else [-1] * 6
    assert source.targets.tolist() == labeled


def test_gray_images_become_three_channels_and_back(pixels):
    gray = Items([(array[:, :, 0], 0) for array in pixels])
    assert DatasetSource(gray).read([0])[0].shape == (3, 9, 7)
    assert DatasetSource(gray, channels=1).read([0])[0].shape == (1, 9, 7)
    with pytest.raises(ValueError, match=r"item 0 of Items has the shape \[3, 9, 7\]"):
        DatasetSource(Items(list(pixels)), channels=1).read([0])


def test_labels_are_taken_from_the_data_set_without_reading_it(pixels):
    class Unreadable(Items):
        def __getitem__(self, index):
            raise AssertionError("read")

    whole = Unreadable(list(pixels), targets=[5, 4, 3, 2, 1, 0], classes=list("uvwxyz"))
    assert DatasetSource(whole).targets.tolist() == [5, 4, 3, 2, 1, 0]
    part = DatasetSource(Subset(whole, [4, 0]))
    assert part.targets.tolist() == [1, 5]
    assert part.class_names == list("uvwxyz")


def test_normalized_tensors_are_refused():
    normalized = TensorDataset(torch.randn(4, 3, 8, 8), torch.zeros(4))
    with pytest.raises(ValueError, match=r"item 2 of TensorDataset.*floats in \[0, 1\]"):
        DatasetSource(normalized).read([2])


def test_what_is_not_an_image():
    with pytest.raises(ValueError, match="item 0 of Items is a str"):
        DatasetSource(Items([("cat.png", 0)])).read([0])
    with pytest.raises(ValueError, match=r"no image under .*keys \['text'\].*Set image_key"):
        DatasetSource(Items([{"text": 1}])).read([0])


@pytest.mark.parametrize("in_memory", [False, True])
def test_data_module(pixels, in_memory):
    train = Items([(Image.fromarray(array), number % 2) for number, array in enumerate(pixels)])
    datamodule = DatasetDataModule(
        train, Subset(train, [0, 1, 2]), image_size=8, batch_size=3, num_workers=0,
        in_memory=in_memory,
    )  # fmt: skip
    datamodule.setup("fit")
    batches = list(datamodule.train_dataloader())
    assert [batch.views[0].shape for batch in batches] == [(3, 3, 8, 8)] * 2
    assert all(torch.equal(batch.target, batch.index % 2) for batch in batches)
    val = next(iter(datamodule.val_dataloader()))
    bank = next(iter(datamodule.bank_dataloader()))
    assert torch.equal(val.image, bank.image[:3])
    assert datamodule.num_classes == 2
    assert len(datamodule.test_dataloader().dataset) == 3


def test_hugging_face(pixels):
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    data = datasets.Dataset.from_dict(
        {"img": [Image.fromarray(array) for array in pixels], "label": [0, 1, 0, 1, 1, 0]},
        features=features,
    )
    datamodule = DatasetDataModule(data, data, image_size=8, batch_size=6, num_workers=0)
    batch = next(iter(datamodule.train_dataloader()))
    assert batch.views[0].shape == (6, 3, 8, 8)
    assert datamodule.class_names == ["cat", "dog"]
    assert datamodule.splits.train.targets.tolist() == [0, 1, 0, 1, 1, 0]
    expected = torch.from_numpy(pixels[4]).permute(2, 0, 1)
    assert torch.equal(datamodule.splits.train.read([4])[0], expected)
    unlabeled = DatasetSource(data.remove_columns("label"))
    assert unlabeled.targets.tolist() == [-1] * 6
