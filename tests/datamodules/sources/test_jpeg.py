"""Which JPEGs a device may decode, and that it gives what Pillow gives."""

import io

import numpy as np
import pytest
import torch
from metaug.datamodules import read_image
from metaug.datamodules.sources.jpeg import check_decoder, decode_jpegs, is_plain_jpeg
from PIL import Image
from torchvision import io as torchvision_io

CPU = torch.device("cpu")


def picture(mode="RGB", seed=0):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((93, 70)).convert(mode)


def saved(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(picture(), exif=exif)


PLAIN = {
    "baseline": lambda: saved(picture()),
    "progressive": lambda: saved(picture(), progressive=True),
    "4:4:4": lambda: saved(picture(), subsampling=0),
    "upright": lambda: turned(1),
}
ODD = {
    "gray": lambda: saved(picture("L")),
    "CMYK": lambda: saved(picture("CMYK")),
    "stored as RGB": lambda: saved(picture(), keep_rgb=True),
    "turned": lambda: turned(6),
    "truncated": lambda: saved(picture())[:-400],
    "cut in the header": lambda: saved(picture())[:100],
    "several images": lambda: saved(
        picture(), "MPO", save_all=True, append_images=[picture(seed=1)]
    ),
    "another format": lambda: saved(picture(), "PNG"),
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("channels", [1, 3])
def test_plain_jpegs_are_decoded_as_pillow_does(tmp_path, name, channels):
    data = PLAIN[name]()
    assert is_plain_jpeg(data)
    (tmp_path / "image.jpg").write_bytes(data)
    expected = read_image(tmp_path / "image.jpg", channels)
    (image,) = decode_jpegs([tensor(data)], channels, CPU)
    assert image.shape == expected.shape
    assert (image.int() - expected.int()).abs().max() <= 2  # of one libjpeg: equal


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_left_to_pillow(name):
    assert not is_plain_jpeg(ODD[name]())


def tensor(data):
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def corrupt():
    data = saved(picture())
    return data[:300] + bytes(500) + data[-2:]


def test_a_corrupt_file_does_not_spoil_the_others():
    good, bad = tensor(PLAIN["baseline"]()), tensor(corrupt())
    first, none, last = decode_jpegs([good, bad, good], 3, CPU)
    assert none is None
    assert torch.equal(first, last)
    assert decode_jpegs([], 3, CPU) == []


def test_a_device_that_decodes_nothing_is_refused(monkeypatch):
    def fails(*arguments):
        raise RuntimeError("no image extension")

    check_decoder(CPU)
    monkeypatch.setattr(torchvision_io, "decode_jpeg", fails)
    with pytest.raises(ValueError, match=r"fails on cpu: no image extension\. Set augment_on to"):
        check_decoder(CPU)
    assert decode_jpegs([tensor(PLAIN["baseline"]())], 3, CPU) == [None]


def test_full_memory_is_no_corrupt_file(monkeypatch):
    def fails(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torchvision_io, "decode_jpeg", fails)
    with pytest.raises(torch.OutOfMemoryError):
        decode_jpegs([tensor(PLAIN["baseline"]())] * 2, 3, CPU)
