"""Images of many channels and deep values: `.npy` and TIFF, by rule or refused."""

import io
import sys

import numpy as np
import pytest
import tifffile
import torch
from metaug.datamodules import (
    ImageFolderDataModule,
    IndexBatch,
    LabelledDataModule,
    RandomCrop,
    UnreadableImageError,
    read_image,
)
from metaug.datamodules.loading import held
from metaug.datamodules.sources import memory
from metaug.datamodules.sources.arrays import channels_last
from metaug.datamodules.sources.decode import image_size

IMAGE = np.random.default_rng(0).integers(0, 65536, (6, 8, 5)).astype(np.uint16)
PIXELS = torch.from_numpy(IMAGE / 65535).float().permute(2, 0, 1)
PAGES = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))
TIFFS = {
    "pixel by pixel": (IMAGE, {"photometric": "minisblack", "planarconfig": "contig"}),
    "band by band": (PAGES, {"photometric": "minisblack", "planarconfig": "separate"}),
    "pages": (PAGES, {"photometric": "minisblack", "metadata": None}),
    "an array of pages": (IMAGE, {"photometric": "minisblack"}),  # 6 pages of 8 x 5
    "BigTIFF, big-endian": (
        IMAGE,
        {"photometric": "minisblack", "planarconfig": "contig", "bigtiff": True, "byteorder": ">"},
    ),
    "compressed": (
        IMAGE,
        {"photometric": "minisblack", "planarconfig": "contig", "compression": "zlib"},
    ),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiffs_of_five_bands(tmp_path, kind):
    values, how = TIFFS[kind]
    tifffile.imwrite(tmp_path / "a.tif", values, **how)
    assert torch.allclose(read_image(tmp_path / "a.tif", 5), PIXELS, atol=1e-7, rtol=0)
    assert image_size(tmp_path / "a.tif", 5) == (6, 8)


def test_a_tiff_says_which_axis_is_that_of_its_bands(tmp_path):
    values = np.arange(5 * 8 * 5, dtype=np.uint8).reshape(5, 8, 5)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    expected = torch.from_numpy(values).permute(2, 0, 1)
    assert torch.equal(read_image(tmp_path / "a.tif", 5), expected)


@pytest.mark.parametrize("kind", ["hwc", "chw"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, ">f8", np.int16])
def test_arrays(tmp_path, kind, dtype):
    whole = np.dtype(dtype).kind != "f"
    values = (IMAGE % 200 if whole else IMAGE / 65535).astype(dtype)
    np.save(tmp_path / "a.npy", values if kind == "hwc" else values.transpose(2, 0, 1))
    value_range = (-100, 100) if dtype is np.int16 else None
    image = read_image(tmp_path / "a.npy", 5, value_range=value_range)
    expected = torch.from_numpy(values.astype(np.float64)).permute(2, 0, 1)
    if dtype is np.uint8:
        assert image.dtype == torch.uint8
    elif dtype is np.uint16:
        expected = expected / 65535
    elif dtype is np.int16:
        expected = (expected.clamp(-100, 100) + 100) / 200
    assert torch.allclose(image.double(), expected, atol=1e-7, rtol=0)
    assert image_size(tmp_path / "a.npy", 5) == (6, 8)


def in_memory(path) -> io.BytesIO:
    """The bytes of a file, as a store gives them."""
    return io.BytesIO(path.read_bytes())


def test_bytes_are_read_as_their_files_are(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE)
    tifffile.imwrite(tmp_path / "a.tif", *TIFFS["band by band"][:1], **TIFFS["band by band"][1])
    for name in ("a.npy", "a.tif"):
        image = read_image(in_memory(tmp_path / name), 5)
        assert torch.equal(image, read_image(tmp_path / name, 5))
        assert image_size(in_memory(tmp_path / name), 5) == (6, 8)
    # one that Pillow gives up on, after it has read in it
    tifffile.imwrite(tmp_path / "b.tif", np.float32(IMAGE[..., :3] / 65535), photometric="rgb")
    image = read_image(in_memory(tmp_path / "b.tif"))
    assert torch.allclose(image, PIXELS[:3], atol=1e-7, rtol=0)
    with pytest.raises(UnreadableImageError, match="image of a store: "):
        read_image(io.BytesIO(b"none"), name="of a store")


@pytest.mark.parametrize(
    ("shape", "channels", "expected"),
    [
        ((6, 8), 1, (6, 8, 1)), ((6, 8), 3, (6, 8, 1)), ((6, 8, 3), 3, (6, 8, 3)),
        ((3, 6, 8), 3, (6, 8, 3)), ((1, 6, 8), 3, (6, 8, 1)), ((6, 8, 3), 1, (6, 8, 3)),
        ((3, 8, 1), 3, (8, 1, 3)), ((2, 6, 8), 2, (6, 8, 2)), ((6, 2, 2), 2, (6, 2, 2)),
    ],
)  # fmt: skip
def test_the_rule_for_axes(shape, channels, expected):
    assert channels_last(np.zeros(shape), channels).shape == expected


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((5, 8, 5), 5, r"\[5, 8, 5\] may be \[H, W, C\] or \[C, H, W\]; store it as TIFF"),
        ((4, 8, 9), 5, "it has 4 channel.*image_channels is 5; set image_channels to 4"),
        ((8, 5, 8), 5, "image_channels is 5"),
        ((2, 5, 8, 8), 5, r"its shape is \[2, 5, 8, 8\]"),
        ((8,), 5, r"its shape is \[8\]"),
        ((0, 8, 5), 5, "which is no image"),
    ],
)
def test_what_is_ambiguous_or_no_image_is_refused_by_name(tmp_path, shape, channels, message):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype=np.uint8))
    with pytest.raises(UnreadableImageError, match=rf"(?s)Cannot read .*a\.npy: .*{message}"):
        read_image(tmp_path / "a.npy", channels)


def test_no_code_is_run_from_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableImageError, match=r"a\.npy: .*allow_pickle"):
        read_image(tmp_path / "a.npy", 5)


def test_bands_of_another_number_name_both(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack", planarconfig="separate")
    for channels in (1, 3, 4):
        message = rf"a\.tif: it has 5 channel\(s\), but image_channels is {channels}"
        with pytest.raises(UnreadableImageError, match=message):
            read_image(tmp_path / "a.tif", channels)


def test_colors_of_floats_in_a_tiff_and_its_orientation(tmp_path):
    values = (IMAGE[..., :3] / 65535).astype(np.float32)
    turned = np.ascontiguousarray(np.rot90(values))
    tifffile.imwrite(
        tmp_path / "a.tif", turned, photometric="rgb", extratags=[(274, 3, 1, 6, True)]
    )
    assert torch.allclose(read_image(tmp_path / "a.tif"), PIXELS[:3], atol=1e-6)
    luma = (PIXELS[:3] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    assert torch.allclose(read_image(tmp_path / "a.tif", 1)[0], luma, atol=1e-4)


def test_without_tifffile_the_error_says_what_to_install(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack", planarconfig="separate")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ImportError, match=r"a\.tif is a TIFF .*pip install 'metaug\[images\]'"):
        read_image(tmp_path / "a.tif", 5)


def test_a_damaged_tiff_of_bands_is_skipped(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack", planarconfig="separate")
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:60])
    with pytest.raises(UnreadableImageError, match=r"b\.tif"):
        read_image(tmp_path / "b.tif", 5)


def folder(root, channels=5, count=6, kind="tif"):
    """Images of two sizes in two classes."""
    rng = np.random.default_rng(1)
    for number in range(count):
        path = root / "ab"[number % 2] / f"{number}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 65536, (20 + number % 2, 24, channels)).astype(np.uint16)
        if kind == "tif":
            tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
        else:
            np.save(path, values)
    return str(root)


def bands(root, **arguments):
    settings = {"image_size": 16, "batch_size": 4, "num_workers": 0, "val_fraction": 0.0}
    numbers = {"image_channels": 5, "mean": [0.5] * 5, "std": [0.2] * 5}
    return ImageFolderDataModule(root, **settings | numbers | arguments)


@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_device_and_workers_make_the_same_views_of_deep_images(tmp_path, kind):
    root = folder(tmp_path, kind=kind)
    made = []
    for where, workers in (("workers", 0), ("workers", 1), ("device", 0), ("device", 1)):
        data = bands(root, augment_on=where, num_workers=workers, in_memory=False)
        data.setup("fit")
        batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
        made.append(torch.stack(batch.views))
    assert made[0].shape == (2, 4, 5, 16, 16)
    assert len(made[0].unique()) > 2000  # no 256 levels
    for views in made[1:]:
        assert torch.equal(views, made[0])


def test_deep_images_lie_on_the_device_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "free_memory", lambda device: 1 << 40)
    root = folder(tmp_path)
    sent = bands(root, in_memory=True)
    data = bands(root, in_memory=True, augment_on="device")
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, IndexBatch)
    made = data.on_after_batch_transfer(batch, 0).views
    assert data._on_device.held.images.dtype == torch.float32
    for here, there in zip(next(iter(sent.train_dataloader())).views, made, strict=True):
        assert torch.equal(here, there)


def test_memory_is_counted_in_the_bytes_of_floats(tmp_path, monkeypatch):
    for number in range(4):
        path = tmp_path / "a" / f"{number}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.zeros((8, 8, 5), dtype=np.uint16))
    monkeypatch.setattr(memory, "LIMIT", 4 * 8 * 8 * 5 * 4)
    assert bands(str(tmp_path)).splits.train.uniform
    monkeypatch.setattr(memory, "LIMIT", 4 * 8 * 8 * 5 * 4 - 1)
    assert not bands(str(tmp_path)).splits.train.uniform


@pytest.mark.parametrize("size", [16, 96])
def test_deep_images_in_memory_are_those_of_the_files(tmp_path, size):
    root = folder(tmp_path)
    kept = bands(root, in_memory=True, image_size=size)
    files = bands(root, in_memory=False, image_size=size)
    loaded = [next(iter(data.bank_dataloader())).image for data in (kept, files)]
    assert kept.splits.train.images.dtype == torch.float32
    assert torch.equal(*loaded)


@pytest.mark.parametrize("shallow", [0, 1])
def test_images_of_8_and_16_bits_side_by_side(tmp_path, shallow):
    root = tmp_path / "data"
    folder(root, channels=3, kind="npy")
    for number, path in enumerate(sorted(root.rglob("*.npy"))):
        if number % 2 == shallow:
            np.save(path, (np.load(path) // 257).astype(np.uint8))
    images = [
        next(iter(ImageFolderDataModule(
            str(root), image_size=16, batch_size=4, num_workers=0, val_fraction=0.0, in_memory=held
        ).bank_dataloader())).image
        for held in (True, False)
    ]  # fmt: skip
    assert torch.allclose(*images, atol=0.02)
    assert images[0].std() > 0.1


def test_arrays_beside_images_are_left_out_and_named(tmp_path, write_images):
    write_images(tmp_path / "a", 4)
    np.save(tmp_path / "a" / "features.npy", np.zeros((4, 128)))
    data = ImageFolderDataModule(str(tmp_path), image_size=8, batch_size=2, val_fraction=0.0)
    with pytest.warns(UserWarning, match=r"Left out as no images: 1 .*features\.npy"):
        assert data.num_instances == 4


def test_value_range_reaches_the_files(tmp_path):
    for number in range(4):
        (tmp_path / "a").mkdir(exist_ok=True)
        np.save(tmp_path / "a" / f"{number}.npy", np.full((8, 8, 5), 1000, dtype=np.int16))
    data = bands(str(tmp_path), value_range=(0, 4000), mean=[0.0] * 5, std=[1.0] * 5)
    assert float(next(iter(data.bank_dataloader())).image.mean()) == pytest.approx(0.25)
    for wrong in ((1, 1), (2, 1), (1,), "ab", ("a", 1)):
        with pytest.raises(ValueError, match="value_range"):
            bands(str(tmp_path), value_range=wrong)


def test_one_view_of_deep_images_is_not_rounded(tmp_path):
    data = bands(folder(tmp_path), in_memory=False)
    labeled = LabelledDataModule(data, augmentation=RandomCrop(), batch_size=4, num_workers=0)
    view = next(iter(labeled.train_dataloader())).views[0]
    levels = (view * 0.2 + 0.5) * 255
    assert (levels - levels.round()).abs().mean() > 0.1
