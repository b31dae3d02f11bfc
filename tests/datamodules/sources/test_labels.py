"""Labels as data sets have them: any shape, any type, any numbers."""

import time

import numpy as np
import pytest
import torch
from metaug.datamodules import (
    AnyChannelViews,
    CIFAR10DataModule,
    DatasetDataModule,
    DatasetSource,
    FileSource,
    InMemorySource,
    RandomCrop,
    Recipe,
    RecipeViews,
    Splits,
)
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

IMAGE = np.zeros((8, 8, 3), dtype=np.uint8)
SMALL = {"image_size": 8, "batch_size": 2, "num_workers": 0}


def source(labels):
    return DatasetSource([(IMAGE, label) for label in labels])


def classes_of(labels):
    found = source(labels)
    return found.targets.tolist(), found.class_names


@pytest.mark.parametrize(
    ("labels", "targets", "names"),
    [
        ([0, 2_000_000, 4_000_000], [0, 1, 2], ["0", "2000000", "4000000"]),
        ([3, 1, 3], [1, 0, 1], ["1", "3"]),
        (["dog", "cat", "dog"], [1, 0, 1], ["cat", "dog"]),
        ([1.0, 0.0, 2.0], [1, 0, 2], ["0", "1", "2"]),
        ([True, False, True], [1, 0, 1], ["0", "1"]),
        ([0, -1, 1], [0, -1, 1], ["0", "1"]),
        ([0, None, float("nan")], [0, -1, -1], ["0"]),
        (["cat", "", None], [0, -1, -1], ["cat"]),
        ([np.array([1]), np.array([0])], [1, 0], ["0", "1"]),
        ([torch.tensor(1), torch.tensor([0])], [1, 0], ["0", "1"]),
        ([np.int16(7), np.uint8(7)], [0, 0], ["7"]),
        ([-1, -1], [-1, -1], []),
    ],
)
def test_labels_become_consecutive_classes(labels, targets, names):
    assert classes_of(labels) == (targets, names)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1, 0], [1, 0, 0]], r"shape \[3\] per image: they are multi-label or one-hot"),
        ([np.eye(4)[0]], r"argmax"),
        ([[0, 1], [1]], r"shape \[2\] per image"),
        ([0.5, 1.0], r"the label 0\.5, which is no class"),
        ([float("inf")], r"the label inf, which is no class"),
        ([0, "cat"], "numbers and names"),
        ([-1, 1, -1], "-1 and 1"),
        ([-100, 0], "go down to -100"),
        ([{"box": 1}], "which is no class"),
    ],
)
def test_what_is_no_class_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        source(labels)


def test_labels_of_medical_sets():
    class Medical:
        labels = np.array([[1], [0], [1], [1]], dtype=np.uint8)  # [N, 1]

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return IMAGE, self.labels[index]

    data = DatasetDataModule(Medical(), **SMALL)
    assert data.splits.train.targets.tolist() == [1, 0, 1, 1]
    (batch,) = data.bank_dataloader()
    assert batch.target.shape == (4,)


def test_all_splits_number_their_classes_alike():
    train = [(IMAGE, label) for label in (40, 10, 40)]
    val = [(IMAGE, label) for label in (40, 40)]
    test = [(IMAGE, label) for label in (20, 10)]
    data = DatasetDataModule(train, val, test, **SMALL)
    splits = data.splits
    assert data.class_names == ["10", "20", "40"]
    assert splits.train.targets.tolist() == [2, 0, 2]
    assert splits.val.targets.tolist() == [2, 2]
    assert splits.test.targets.tolist() == [1, 0]
    with pytest.raises(ValueError, match="numbers in one split and names in another"):
        DatasetDataModule(train, [(IMAGE, "cat")], **SMALL).setup("fit")


def test_names_of_the_data_set_keep_their_order():
    class Named(list):
        classes = ("zebra", "ape", "cow")

    assert DatasetSource(Named([(IMAGE, 2), (IMAGE, 0)])).targets.tolist() == [2, 0]
    found = DatasetSource(Named([(IMAGE, "cow"), (IMAGE, "zebra")]))
    assert found.targets.tolist() == [2, 0]
    assert found.class_names == ["zebra", "ape", "cow"]
    assert DatasetSource(Named([(IMAGE, 700)])).class_names == ["700"]


def test_large_numbers_take_no_time():
    start = time.perf_counter()
    data = DatasetDataModule([(IMAGE, 2_000_000 * (n % 3)) for n in range(30)], **SMALL)
    assert data.num_classes == 3
    assert time.perf_counter() - start < 2


class Stream(IterableDataset):
    def __iter__(self):
        yield IMAGE, 0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "Stream is an iterable data set.*list"),
        ((item for item in [(IMAGE, 0)]), "generator is an iterable data set"),
        ({"train": [(IMAGE, 0)]}, r"dict with the keys \['train'\]. Give one"),
        ("images/", "path 'images/'"),
        (DataLoader([(IMAGE, 0)]), "DataLoader. Give its `dataset`"),
        (None, "NoneType is an iterable data set"),
    ],
)
def test_what_is_not_read_by_index_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        DatasetDataModule(dataset, **SMALL)
    if dataset is not None:
        with pytest.raises(ValueError, match=message):
            DatasetDataModule([(IMAGE, 0)], dataset, **SMALL)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3), dtype=np.int16), "int16 from 0 to 0, .*: set value_range"),
        (torch.full((3, 8, 8), float("nan")), "float32 from nan to nan"),
        (np.zeros(8, dtype=np.uint8), r"shape \[8\], which is no image"),
        (np.zeros((0, 8, 3), dtype=np.uint8), "which is no image"),
        (torch.zeros(4, 8, 8), "image_channels is 3"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        DatasetSource([(image, 0)]).read([0])


def test_images_of_other_channels_than_the_settings_say():
    class Color(CIFAR10DataModule):
        def load(self):
            return Splits(train=InMemorySource(torch.zeros(4, 3, 8, 8, dtype=torch.uint8)))

    with pytest.raises(ValueError, match=r"images have 3 channel\(s\). Set image_channels to 3"):
        Color(image_channels=1, image_size=8).setup("fit")


def test_five_channels_of_tensors():
    mean = [0.5] * 5
    data = DatasetDataModule(
        TensorDataset(torch.rand(4, 5, 8, 8)),
        image_channels=5,
        mean=mean,
        std=mean,
        views=RecipeViews([Recipe(RandomCrop())] * 2),
        **SMALL,
    )
    assert next(iter(data.train_dataloader())).views[0].shape == (2, 5, 8, 8)
    plain = DatasetDataModule(
        TensorDataset(torch.rand(4, 5, 8, 8)), image_channels=5, mean=mean, std=mean, **SMALL
    )
    assert isinstance(plain.views, AnyChannelViews)
    assert next(iter(plain.train_dataloader())).views[0].shape == (2, 5, 8, 8)


def test_targets_of_a_source_are_checked():
    images = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    assert InMemorySource(images, torch.tensor([[0], [1], [0]])).targets.tolist() == [0, 1, 0]
    for targets in (
        torch.zeros(3, 2),
        torch.zeros(2),
        torch.tensor([0.5, 1, 2]),
        -5 * torch.ones(3),
    ):
        with pytest.raises(ValueError, match=r"targets must be one class per image.*argmax"):
            InMemorySource(images, targets)


def test_classes_without_names_are_called_by_their_numbers():
    images = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    assert InMemorySource(images, torch.tensor([0, 3, -1])).class_names == ["0", "1", "2", "3"]
    assert InMemorySource(images).class_names == []
    assert FileSource(["a.png"], torch.tensor([1])).class_names == ["0", "1"]
    with pytest.raises(ValueError, match=r"targets up to 3, but class_names has 2 name\(s\)"):
        InMemorySource(images, torch.tensor([0, 3, 1]), ["cat", "dog"])


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_floats_in_memory_lie_in_0_to_1(value):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], but go from .*normalization"):
        InMemorySource(torch.full((2, 3, 8, 8), value))
    assert InMemorySource(torch.rand(2, 3, 8, 8)).read([0]).dtype == torch.float32
