"""Images of every kind are read as a person sees them, or reported by name."""

import struct
import zlib

import numpy as np
import pytest
import torch
from metaug.datamodules import FileSource, UnreadableImageError, read_image
from PIL import Image


@pytest.fixture
def picture():
    """A gradient with a red corner; upright it is 12 high and 20 wide."""
    array = np.zeros((12, 20, 3), dtype=np.uint8)
    array[..., 1] = np.linspace(0, 255, 20, dtype=np.uint8)
    array[:4, :4] = (255, 0, 0)
    return Image.fromarray(array)


def as_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm"])
def test_formats(tmp_path, picture, suffix):
    picture.save(tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    assert torch.equal(read_image(tmp_path / f"a{suffix}"), as_tensor(picture))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_modes(tmp_path, picture, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F", "I") else "a.png")
    gray = picture.convert("L")
    if mode == "P":
        picture.quantize(256).save(path)
        expected = as_tensor(picture.quantize(256).convert("RGB"))
    elif mode in ("I;16", "I"):
        deep = (np.array(gray).astype(np.uint32) * 257).astype(np.uint16)
        Image.fromarray(deep.astype(np.int32) if mode == "I" else deep).save(path)
        expected = as_tensor(gray.convert("RGB"))
    elif mode == "F":
        Image.fromarray((np.array(gray) / 255).astype(np.float32)).save(path)
        expected = as_tensor(gray.convert("RGB"))
    else:
        picture.convert(mode).save(path)
        expected = as_tensor(picture.convert(mode).convert("RGB"))
    deep = mode in ("I;16", "I", "F")
    result = read_image(path, value_range=(0, 65535) if mode == "I" else None)
    assert result.dtype == (torch.float32 if deep else torch.uint8)
    assert torch.allclose(result, expected / 255) if deep else torch.equal(result, expected)
    if mode != "I":
        assert read_image(path, channels=1).shape == (1, 12, 20)


def test_transparent_parts_are_white(tmp_path, picture):
    picture.putalpha(Image.fromarray(np.full((12, 20), 0, dtype=np.uint8)))
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_orientation(tmp_path, picture, orientation):
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = picture
    for step in undo:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(picture))


def odd_exif(orientation):
    """An orientation and a resolution of -1/0, as some phones write."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries += struct.pack("<HHII", 0x011A, 10, 1, 38)
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    return head + entries + struct.pack("<Iii", 0, -1, 0)


@pytest.mark.parametrize("orientation", [1, 6])
def test_odd_values_in_the_exif_block_turn_nothing_more(tmp_path, picture, orientation):
    picture.save(tmp_path / "a.png", exif=odd_exif(orientation))
    turned = picture.rotate(-90, expand=True) if orientation == 6 else picture
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(turned))


@pytest.mark.parametrize("length", [3, 9, 20])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_a_broken_exif_block_is_no_broken_image(tmp_path, picture, length):
    picture.save(tmp_path / "a.png", exif=odd_exif(6)[: 6 + length])
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(picture))


@pytest.mark.parametrize(
    ("dtype", "top"),
    [
        (np.uint16, 255), (np.uint16, 4095), (np.uint16, 65535), (np.int32, 4095),
        (np.int32, 1_000_000), (np.float32, 1.0), (np.float32, 255.0), (np.float32, 4095.0),
    ],
)  # fmt: skip
def test_gray_of_any_depth_keeps_all_its_values(tmp_path, dtype, top):
    ramp = np.linspace(0, top, 2000).astype(dtype)[None].repeat(4, 0)
    path = tmp_path / ("a.png" if dtype is np.uint16 else "a.tif")
    Image.fromarray(ramp).save(path)
    known = (dtype, top) in [(np.uint16, 65535), (np.float32, 1.0)]
    levels = read_image(path, channels=1, value_range=None if known else (0, top))[0]
    expected = torch.from_numpy(ramp.astype(np.float64) / top).float()
    assert torch.allclose(levels, expected, atol=1e-7, rtol=0)


def test_sixteen_bits_are_those_of_65535_and_others_must_be_told(tmp_path):
    Image.fromarray(np.full((2, 2), 4095, dtype=np.uint16)).save(tmp_path / "a.png")
    assert float(read_image(tmp_path / "a.png").mean()) == pytest.approx(4095 / 65535)
    for value, dtype in ((255.0, np.float32), (4095, np.int32)):
        Image.fromarray(np.full((2, 2), value, dtype=dtype)).save(tmp_path / "a.tif")
        message = rf"Cannot read the image .*a\.tif: .* to {value:g}, .*set value_range"
        with pytest.raises(UnreadableImageError, match=message):
            read_image(tmp_path / "a.tif")


def deep_png(values):
    """A PNG of 16 bits per color, which Pillow cannot write."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = {2: 4, 3: 2, 4: 6}[channels]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


@pytest.mark.parametrize("channels", [3, 4])
def test_colors_of_16_bits_keep_both_bytes(tmp_path, channels):
    values = np.random.default_rng(0).integers(0, 65536, (4, 8, channels))
    (tmp_path / "a.png").write_bytes(deep_png(values))
    expected = torch.from_numpy(values / 65535).float().permute(2, 0, 1)
    assert torch.allclose(read_image(tmp_path / "a.png", channels), expected, atol=1e-7)
    if channels == 4:
        on_white = expected[:3] * expected[3:] + 1 - expected[3:]
        assert torch.allclose(read_image(tmp_path / "a.png"), on_white, atol=1e-6)


def test_no_bits_are_dropped_in_silence(tmp_path):
    (tmp_path / "a.png").write_bytes(deep_png(np.ones((2, 2, 2))))
    (tmp_path / "a.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(12))
    for name in ("a.png", "a.ppm"):
        with pytest.raises(UnreadableImageError, match="upper 8 of its 16 bits; convert it"):
            read_image(tmp_path / name)


def test_values_below_zero_and_nan(tmp_path):
    values = np.array([[-1000.0, 0.0, 3000.0, np.nan, np.inf]], dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    levels = read_image(tmp_path / "a.tif", channels=1, value_range=(-1000, 2000))
    assert torch.allclose(levels.flatten(), torch.tensor([0, 1 / 3, 1, 0, 1]))
    with pytest.raises(UnreadableImageError, match=r"a\.tif: .* from nan to nan"):
        read_image(tmp_path / "a.tif")


def test_big_endian_16_bits(tmp_path):
    values = np.array([[0, 257, 65535]], dtype=">u2")
    Image.frombytes("I;16B", (3, 1), values.tobytes()).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", channels=1).flatten().mul(255).tolist() == [0, 1, 255]


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_are_refused(tmp_path, picture, channels):
    picture.save(tmp_path / "a.png")
    message = (
        r"Cannot read the image .*a\.png: it has 3 channel\(s\), but image_channels is "
        rf"{channels}; set image_channels to 3"
    )
    with pytest.raises(UnreadableImageError, match=message):
        read_image(tmp_path / "a.png", channels)
    with pytest.raises(UnreadableImageError, match=message):
        FileSource([tmp_path / "a.png"], channels=channels).read([0])
    with pytest.raises(ValueError, match="channels must be a whole number at least 1, got 0"):
        read_image(tmp_path / "a.png", 0)


def test_opacity_is_a_channel_where_it_is_asked_for(tmp_path, picture):
    picture.putalpha(Image.fromarray(np.full((12, 20), 7, dtype=np.uint8)))
    picture.save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png", 4), as_tensor(picture))
    picture.convert("LA").save(tmp_path / "b.png")
    assert torch.equal(read_image(tmp_path / "b.png", 2), as_tensor(picture.convert("LA")))


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").flatten().tolist() == [1, 2, 3]


def huge_header():
    """A PNG that claims 40,000 x 40,000 pixels in a few bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def damaged(kind, path, picture):
    picture.resize((200, 120)).save(path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "corrupt": whole[:40] + bytes(len(whole) - 40),
            "empty": b"",
            "text": b"this is a text file",
            "huge": huge_header(),
        }[kind]
    )


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "empty", "text", "huge"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_files_are_named(tmp_path, picture, kind, suffix):
    path = tmp_path / f"bad{suffix}"
    damaged(kind, path, picture)
    with pytest.raises(UnreadableImageError, match=f"Cannot read the image {path}.*on_error"):
        read_image(path)


def test_skipping_lists_what_it_skipped(tmp_path, picture):
    kinds = ["truncated", "corrupt", "empty", "text", "huge"]
    for kind in kinds:
        damaged(kind, tmp_path / f"{kind}.png", picture)
    picture.save(tmp_path / "good.png")
    paths = [tmp_path / f"{kind}.png" for kind in kinds[:3]]
    paths += [tmp_path / "good.png"] + [tmp_path / f"{kind}.png" for kind in kinds[3:]]
    source = FileSource(paths, on_error="skip")
    images = source.read(range(6))
    assert torch.equal(images[3], as_tensor(picture))
    assert source.unreadable.tolist() == [True, True, True, False, True, True]


def test_missing_file_is_skipped_or_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        FileSource([tmp_path / "gone.png"]).read([0])
    source = FileSource([tmp_path / "gone.png"], on_error="skip")
    source.read([0])
    assert source.unreadable.tolist() == [True]
