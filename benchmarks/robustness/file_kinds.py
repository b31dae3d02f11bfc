"""Odd image files: endings, depths, modes, EXIF blocks, shapes, and what cannot be read."""

# ruff: noqa: D103 (a kind says by its name what it is)

import struct
import zlib

import numpy as np
from PIL import Image, features

from .image_folders import Folder, kind


def _suffix(suffix: str):
    def make(folder: Folder) -> None:
        folder.classes("dog")
        folder.add("cat", "cat", suffix)

    make.__name__ = f"class of {suffix} files"
    return kind(make)


for _name in (".jfif", ".jpe", ".JPG", ".jp2", ".apng", ".tga", ".qoi", ".webp", ".dib"):
    _suffix(_name)
if features.check("avif"):
    _suffix(".avif")


@kind
def ending_of_another_format(folder: Folder) -> None:
    folder.classes()
    folder.add_file(folder.image("cat"), "zz.jpg", format="PNG")


def _no_image(name: str):
    def make(folder: Folder) -> None:
        folder.classes()
        (folder.root / "cat" / name).write_bytes(b"\0\1\2")
        folder.warned = [name, "1 file"]

    make.__name__ = f"file of the name {name}"
    return kind(make)


for _name in ("photo.heic", "labels.csv", "0001", "old.jpg.bak", "more.zip"):
    _no_image(_name)


def _bytes(folder: Folder, suffix: str = ".jpg") -> bytes:
    path = folder.root.with_name(f"whole{suffix}")
    Image.effect_noise((60, 60), 50).convert("RGB").save(path)
    return path.read_bytes()


@kind
def file_without_a_byte(folder: Folder) -> None:
    folder.classes()
    folder.unreadable(b"")


@kind
def page_saved_as_an_image(folder: Folder) -> None:
    folder.classes()
    folder.unreadable(b"<!DOCTYPE html><html><body>403</body></html>")


@kind
def truncated_image(folder: Folder) -> None:
    folder.classes()
    suffix = folder.draw.choice([".jpg", ".png", ".webp", ".tif"])
    whole = _bytes(folder, suffix)
    folder.unreadable(whole[: len(whole) // folder.draw.randint(2, 4)], f"zz{suffix}")


@kind
def zeros_in_place_of_an_image(folder: Folder) -> None:
    folder.classes()
    folder.unreadable(bytes(5000), "zz.png")


@kind
def header_of_a_huge_image(folder: Folder) -> None:
    folder.classes()
    size = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + size
    chunk = struct.pack(">I", len(size)) + body + struct.pack(">I", zlib.crc32(body))
    folder.unreadable(b"\x89PNG\r\n\x1a\n" + chunk, "zz.png")


@kind
def nothing_readable(folder: Folder) -> None:
    for number in range(4):
        folder.add_file(b"", f"{number}.png")
    folder.settings["on_error"] = "skip"
    folder.error = ["None of the 4 images can be read"]


def _gray(folder: Folder, top: float, dtype: type, suffix: str) -> None:
    """A deep image, whose white is `top`, and whose pixels but one have the level of `cat`."""
    folder.classes()
    if (dtype, top) not in [(np.uint16, 65535), (np.float32, 1)]:
        folder.settings["value_range"] = [0, top]
    values = np.full((12, 15), folder.level("cat") / 255 * top)
    values[0, 0] = top
    folder.add_file(Image.fromarray(values.astype(dtype)), f"zz{suffix}")


def _depth(name: str, top: float, dtype: type, suffix: str):
    def make(folder: Folder) -> None:
        _gray(folder, top, dtype, suffix)

    make.__name__ = name
    return kind(make)


_depth("8 bits in 16", 255, np.uint16, ".png")
_depth("12 bits in 16", 4095, np.uint16, ".png")
_depth("14 bits in 16, TIFF", 16383, np.uint16, ".tif")
_depth("16 bits", 65535, np.uint16, ".png")
_depth("32-bit whole numbers", 65535, np.int32, ".tif")
_depth("floats up to 1", 1, np.float32, ".tif")
_depth("floats up to 255", 255, np.float32, ".tif")
_depth("floats up to 4095", 4095, np.float32, ".tif")
_depth("floats up to a million", 1e6, np.float32, ".tif")


@kind
def floats_whose_white_nobody_knows(folder: Folder) -> None:
    _gray(folder, 4095, np.float32, ".tif")
    del folder.settings["value_range"]
    folder.break_off("zz.tif")
    folder.error = ["zz.tif", "from", "to 4095", "set value_range"]


@kind
def floats_below_0_and_nan(folder: Folder) -> None:
    folder.classes()
    folder.settings["value_range"] = [-1, 1]
    values = np.full((12, 15), folder.level("cat") / 255 * 2 - 1, dtype=np.float32)
    values[0, :3] = -1, 1, np.nan
    folder.add_file(Image.fromarray(values), "zz.tif")


@kind
def floats_of_nan_alone(folder: Folder) -> None:
    folder.classes()
    folder.add_file(Image.fromarray(np.full((12, 15), np.nan, dtype=np.float32)), "zz.tif")
    folder.break_off("zz.tif")


@kind
def big_endian_16_bits(folder: Folder) -> None:
    folder.classes()
    values = np.full((12, 15), folder.level("cat") * 257, dtype=">u2")
    values[0, 0] = 65535
    image = Image.frombytes("I;16B", (15, 12), values.tobytes())
    folder.add_file(image, "zz.tif")


def _mode(mode: str, suffix: str):
    def make(folder: Folder) -> None:
        folder.classes()
        image = folder.image("cat")
        image = image.quantize() if mode == "P" else image.convert(mode)
        folder.add_file(image, f"zz{suffix}")
        folder.levels_kept = mode not in ("1", "CMYK")  # black or white; not exact

    make.__name__ = f"mode {mode} in {suffix}"
    return kind(make)


for _args in (
    ("1", ".png"), ("P", ".png"), ("P", ".gif"), ("L", ".jpg"), ("LA", ".png"), ("RGBA", ".png"),
    ("CMYK", ".jpg"), ("CMYK", ".tif"), ("YCbCr", ".jpg"),
):  # fmt: skip
    _mode(*_args)


@kind
def transparent_black_on_white(folder: Folder) -> None:
    folder.classes("dog")
    folder.levels["cat"] = 255
    folder.add_file(Image.new("RGBA", (12, 15), (0, 0, 0, 0)), "00.png")


@kind
def moving_gif(folder: Folder) -> None:
    folder.classes()
    frames = [Image.new("RGB", (12, 15), (shade,) * 3) for shade in (1, 250)]
    folder.add_file(folder.image("cat"), "zz.gif", save_all=True, append_images=frames)


def _exif(folder: Folder, exif: Image.Exif | bytes) -> None:
    folder.classes()
    folder.add_file(folder.image("cat"), "zz.jpg", exif=exif)


@kind
def exif_with_an_odd_rational(folder: Folder) -> None:
    _exif(folder, b"Exif\0\0" + _signed_rational(folder.draw.randint(1, 8)))


def _signed_rational(orientation: int) -> bytes:
    """A block of an orientation and a resolution of -1/0, as some phones write."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries += struct.pack("<HHII", 0x011A, 10, 1, 8 + 2 + 24 + 4)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2)
    return head + entries + struct.pack("<I", 0) + struct.pack("<ii", -1, 0)


@kind
def exif_of_noise(folder: Folder) -> None:
    _exif(folder, b"Exif\0\0" + folder.draw.randbytes(200))


@kind
def exif_that_stops_short(folder: Folder) -> None:
    _exif(folder, b"Exif\0\0" + _signed_rational(6)[: folder.draw.randint(4, 40)])


@kind
def exif_with_an_unknown_orientation(folder: Folder) -> None:
    exif = Image.Exif()
    exif[0x0112] = folder.draw.choice([0, 9, 255])
    _exif(folder, exif)


def _shape(width: int, height: int):
    def make(folder: Folder) -> None:
        folder.classes()
        folder.add_file(folder.image("cat").resize((width, height)), "zz.png")

    make.__name__ = f"image of {width} x {height} pixels"
    return kind(make)


for _edges in ((1, 1), (1, 4000), (6000, 2), (2, 60_000)):
    _shape(*_edges)
