"""Parquet files in a folder: the same images, labels and views as the folder of the same files."""

import io

import numpy as np
import pytest
import torch
from metaug.datamodules import (
    DigitsDataModule,
    HuggingFaceDataModule,
    ImageFolderDataModule,
    LabelledDataModule,
    UnreadableImageError,
)
from PIL import Image

datasets = pytest.importorskip("datasets", exc_type=ImportError)

SMALL = {"image_size": 8, "batch_size": 4, "num_workers": 0}
SIZES = [(12, 10), (9, 14), (20, 20)]
CLASSES = ["cat", "dog"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Offline, with a cache that the test leaves behind nowhere."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def folder(tmp_path, write_images):
    """Images of three sizes in two classes, `train/` and `test/`."""
    for split, count in (("train", 3), ("test", 1)):
        for number, size in enumerate(SIZES):
            for name in CLASSES:
                seed = number + 10 * CLASSES.index(name) + 100 * (split == "test")
                write_images(
                    tmp_path / "images" / split / name / str(number), count, size, seed=seed
                )
    return tmp_path / "images"


def table(split, form="image", labels="classes"):
    """The files below a folder as a split, in the order of their names."""
    files = sorted(split.rglob("*.png"))
    numbers = [CLASSES.index(file.relative_to(split).parts[0]) for file in files]
    images, feature = {
        "image": ([{"bytes": f.read_bytes(), "path": None} for f in files], datasets.Image()),
        "struct": (
            [{"bytes": f.read_bytes(), "path": f.name} for f in files],
            {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
        ),
        "bytes": ([f.read_bytes() for f in files], datasets.Value("binary")),
        "paths": ([{"bytes": None, "path": str(f)} for f in files], datasets.Image()),
    }[form]
    columns = {"image": images}
    features = {"image": feature}
    if labels == "classes":
        columns["label"], features["label"] = numbers, datasets.ClassLabel(names=CLASSES)
    elif labels == "names":
        columns["label"] = [CLASSES[number] for number in numbers]
        features["label"] = datasets.Value("string")
    elif labels == "hot":
        columns["label"] = [[1 - number, number] for number in numbers]
        features["label"] = datasets.List(datasets.Value("int64"))
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture
def parquet(tmp_path, folder):
    def write(**kinds):
        root = tmp_path / "parquet"
        root.mkdir(exist_ok=True)
        for split in ("train", "test"):
            table(folder / split, **kinds).to_parquet(str(root / f"{split}-00000-of-00001.parquet"))
        return str(root)

    return write


def batches(data, epochs=2):
    data.setup("fit")
    loader = data.train_dataloader()
    seen = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        seen += list(loader)
    return seen


def assert_equal(first, second):
    assert len(first) == len(second) > 0
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.index, theirs.index)
        assert torch.equal(ours.target, theirs.target)
        for view, other in zip(ours.views, theirs.views, strict=True):
            assert torch.equal(view, other)


@pytest.mark.parametrize("form", ["image", "struct", "bytes", "paths"])
def test_views_are_those_of_the_same_files_in_a_folder(folder, parquet, form):
    there = ImageFolderDataModule(str(folder), seed=3, **SMALL)
    ours = HuggingFaceDataModule(parquet(form=form), seed=3, **SMALL)
    assert_equal(batches(ours), batches(there))
    assert ours.class_names == there.class_names == CLASSES
    for loader in ("val_dataloader", "test_dataloader", "bank_dataloader"):
        mine, other = next(iter(getattr(ours, loader)())), next(iter(getattr(there, loader)()))
        assert torch.equal(mine.image, other.image)
        assert torch.equal(mine.target, other.target)


def test_workers_see_the_same(parquet):
    root = parquet()
    alone = batches(HuggingFaceDataModule(root, **SMALL))
    assert_equal(batches(HuggingFaceDataModule(root, **{**SMALL, "num_workers": 2})), alone)


def test_what_save_to_disk_wrote(tmp_path, folder, parquet):
    splits = datasets.DatasetDict({part: table(folder / part) for part in ("train", "test")})
    splits.save_to_disk(str(tmp_path / "saved"))
    saved = HuggingFaceDataModule(str(tmp_path / "saved"), **SMALL)
    assert_equal(batches(saved), batches(HuggingFaceDataModule(parquet(), **SMALL)))
    splits["train"].save_to_disk(str(tmp_path / "one"))
    assert HuggingFaceDataModule(str(tmp_path / "one"), **SMALL).num_instances == 16  # 2 held out


def test_nothing_is_opened_before_setup(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *args: pytest.fail("opened"))
    assert HuggingFaceDataModule("nowhere", **SMALL).root == "nowhere"


def test_labels_by_name_and_none(parquet):
    named = HuggingFaceDataModule(parquet(labels="names"), **SMALL)
    assert named.class_names == CLASSES
    assert named.splits.train.targets.tolist() == [0] * 9 + [1] * 9
    without = HuggingFaceDataModule(parquet(labels="none"), **SMALL)
    assert len(batches(without)) == 2 * 4
    assert without.num_classes == 0
    assert without.bank_dataloader() == []
    left_out = HuggingFaceDataModule(parquet(), label_column=None, **SMALL)
    assert left_out.num_classes == 0
    few = LabelledDataModule(HuggingFaceDataModule(parquet(), **SMALL), labels_per_class=2)
    assert few.num_instances == 4


def test_all_splits_have_the_same_classes(tmp_path, folder):
    parts = {part: table(folder / part, labels="names") for part in ("train", "test")}
    parts["test"] = parts["test"].filter(lambda row: row["label"] == "dog")
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    module = HuggingFaceDataModule(str(tmp_path / "saved"), **SMALL)
    assert module.splits.test.targets.tolist() == [1] * 3
    assert module.splits.test.class_names == CLASSES


def test_arrays(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)
    features = {"picture": datasets.Array3D((9, 7, 3), "uint8"), "kind": datasets.Value("int64")}
    columns = {"picture": list(pixels), "kind": [5, 7, 5, 7, 7, 5]}
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    data.to_parquet(str(tmp_path / "train.parquet"))
    module = HuggingFaceDataModule(
        str(tmp_path), label_column="kind", val_fraction=0.0, image_column="picture", **SMALL
    )
    expected = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    assert torch.equal(torch.stack(module.splits.train.read(range(6))), expected)
    assert module.class_names == ["5", "7"]
    assert module.splits.train.targets.tolist() == [0, 1, 0, 1, 1, 0]
    held = HuggingFaceDataModule(str(tmp_path), val_fraction=0.0, in_memory=True, **SMALL)
    assert held.splits.train.images.shape == (6, 3, 8, 8)


def test_unreadable_rows(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "PNG")
    rows = [file.getvalue(), b"cut off", None, file.getvalue(), file.getvalue()]
    images = [row and {"bytes": row, "path": None} for row in rows]
    features = datasets.Features({"image": datasets.Image()})
    data = datasets.Dataset.from_dict({"image": images}, features=features)
    data.save_to_disk(str(tmp_path / "saved"))
    module = HuggingFaceDataModule(str(tmp_path / "saved"), in_memory=False, **SMALL)
    with pytest.raises(UnreadableImageError, match="in row 1 of the column 'image'"):
        module.splits.train.read([1])
    with pytest.raises(UnreadableImageError, match="no image in row 2"):
        module.splits.train.read([2])
    skipping = HuggingFaceDataModule(
        str(tmp_path / "saved"), in_memory=False, on_error="skip", **SMALL
    )
    (batch,) = batches(skipping, 1)
    assert set(batch.index.tolist()) <= {0, 3, 4}
    assert len(skipping.skipped_images) > 0


@pytest.mark.parametrize(
    ("settings", "kinds", "message"),
    [
        ({"train_split": "all"}, {}, r"train_split is 'all', but the splits .*\['train', 'test'\]"),
        ({"val_split": "dev"}, {}, r"val_split is 'dev', but the splits .*\['train', 'test'\]"),
        ({"image_column": "img"}, {}, r"image_column is 'img', but .*image \(Image\), label \(Cl"),
        ({"label_column": "y"}, {}, r"label_column is 'y', but .*label \(ClassLabel\)"),
        ({"image_column": "label"}, {}, r"image_column is 'label', which holds ClassLabel"),
        ({"label_column": "image"}, {}, "label_column is 'image', which holds Image"),
        ({}, {"labels": "hot"}, "label_column is 'label', which holds List"),
        ({"config_name": "large"}, {}, "(?s)large.*default"),
    ],
)
def test_errors_name_what_there_is(parquet, settings, kinds, message):
    with pytest.raises(ValueError, match=message):
        HuggingFaceDataModule(parquet(**kinds), **settings, **SMALL).setup("fit")


def test_no_such_data_set(tmp_path, monkeypatch):
    with pytest.raises(OSError, match=r"'nobody/nothing', which is no folder here"):
        HuggingFaceDataModule("nobody/nothing", **SMALL).setup("fit")
    (tmp_path / "train.parquet").write_bytes(b"no table")
    with pytest.raises(OSError, match="cannot open the folder"):
        HuggingFaceDataModule(str(tmp_path), **SMALL).setup("fit")
    with pytest.raises(ValueError, match="root must be"):
        HuggingFaceDataModule("")


def test_without_the_library(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    module = HuggingFaceDataModule("nowhere", **SMALL)
    with pytest.raises(ModuleNotFoundError, match=r"needs the package datasets.*metaug\[data\]"):
        module.prepare_data()
    assert DigitsDataModule(**{**SMALL, "image_size": 16}).num_classes == 10
