"""Shards of WebDataset: tar files of images, read by their places in them."""

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .decode import UnreadableImageError, image_suffixes, printable
from .libraries import library
from .packed_paths import PackedPaths
from .split_folders import SPLIT_NAMES
from .stored_images import StoredImages

_META = re.compile(r"__[^/]*__($|/)")  # members that the library passes over
_BLOCK = 512  # bytes; a tar file is made of such blocks
NEEDED_BY = "WebDatasetDataModule"


def find_shards(shards: str) -> dict[str, list[Path]]:
    """The shards that a user means, by split.

    Args:
        shards: A folder, whose `.tar` files are sorted into splits by the words in their names and
            those of their folders (`train-000.tar`, `val/000.tar`; all are of the training split
            if none says another), or names with braces, `train-{000000..000009}.tar`, which are of
            the training split.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If it cannot be told what is meant.
    """
    root = Path(shards).expanduser()
    if not root.is_dir():
        return {"train": expand(shards)}
    found: dict[str, list[Path]] = {}
    files = sorted(path for path in root.rglob("*.tar") if path.is_file())
    for file in files:
        words = set(re.split(r"[\W_]+", str(file.relative_to(root)).lower()))
        splits = [split for split, names in SPLIT_NAMES.items() if words & set(names)]
        if len(splits) > 1:
            raise ValueError(f"{printable(file)} is named after the splits {splits}; keep one")
        found.setdefault(splits[0] if splits else "train", []).append(file)
    if not found:
        raise FileNotFoundError(
            f"there are no .tar files in {printable(root)}. Give the folder of the shards, or "
            "their names with braces"
        )
    if "train" not in found:
        raise ValueError(
            f"{printable(root)} has shards of {list(found)} alone. Name those of the training "
            "split train-*.tar"
        )
    return found


def expand(shards: str) -> list[Path]:
    """Shards by names with braces, as the library reads them.

    Raises:
        FileNotFoundError: If one is missing.
        ValueError: If they are no tar files in a file system.
    """
    names: list[str] = library("webdataset.shardlists", NEEDED_BY).expand_urls(shards)
    for name in names:
        if re.match(r"pipe:|\w+://", name):
            raise ValueError(
                f"the shard {name!r} is no file. Shards are read by place, so that a run can be "
                "resumed and shared out exactly: copy them to a file system, or mount them there"
            )
        if not name.endswith(".tar"):
            raise ValueError(
                f"the shard {name!r} is not called .tar; unpack it if it is compressed, for images "
                "are read by their places"
            )
    paths = [Path(name).expanduser() for name in names]
    if missing := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(
            f"{len(missing)} of the {len(paths)} shards of {shards!r} are missing, first "
            f"{printable(missing[0])}"
        )
    return paths


class Sample(NamedTuple):
    """An image in a shard: name, first byte, size, and the text of its label."""

    name: str
    start: int
    size: int
    label: str


def samples_of(shard: Path, image: str, label: str | None) -> Iterator[Sample]:
    """The images of a shard in their order, grouped by name as the library does.

    Args:
        shard: The file.
        image: Ending of the images; `auto` takes the first of each sample that Pillow opens.
        label: Ending of the labels; null for none.

    Raises:
        OSError: If the file is no tar file, or cut off.
        ValueError: If a sample has no such image or label.
    """
    grouped = library("webdataset.tariterators", NEEDED_BY).group_by_keys(members(shard))
    for sample in grouped:
        endings = [key for key in sample if not key.startswith("__")]
        found = next((e for e in endings if e == image or (image == "auto" and _is_image(e))), None)
        where = f"the sample {sample['__key__']} of {printable(shard)}"
        if found is None:
            raise ValueError(
                f"{where} has no image of the ending {image!r}, only {endings}. Set image_key"
            )
        if label is not None and label not in sample:
            raise ValueError(
                f"{where} has no label of the ending {label!r}, only {endings}. Set label_key, or "
                "set it to null to train without labels"
            )
        text = "" if label is None else _read(shard, *sample[label]).decode("utf-8", "replace")
        start, size = sample[found]
        yield Sample(f"{sample['__key__']}.{found}", start, size, text.strip())


def _is_image(ending: str) -> bool:
    return f".{ending.rpartition('.')[2]}" in image_suffixes()


def members(shard: Path) -> Iterator[dict[str, Any]]:
    """The files of a shard as the library's own reader gives them, but for data their places."""
    whole = shard.stat().st_size
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isreg() and not _META.match(member.name):
                    place = member.offset_data, member.size
                    yield {"fname": member.name, "data": place, "__url__": str(shard)}
        if whole % _BLOCK or any(_read(shard, whole - _BLOCK, _BLOCK)):  # tar ends with zeros
            raise tarfile.ReadError("its end is missing")
    except tarfile.ReadError as error:
        raise OSError(
            f"the shard {printable(shard)} cannot be read: {error}. Copy it again"
        ) from error


def _read(shard: str | Path, start: int, size: int) -> bytes:
    with open(shard, "rb", buffering=0) as file:
        return os.pread(file.fileno(), size, start)


class ShardImages(StoredImages):
    """The images of shards, each read by its place.

    Args:
        paths: The shards.
        names: Name of every image.
        shard: Number of the shard of every image `[N]`, int64.
        start: Its first byte there `[N]`, int64.
        size: Its bytes `[N]`, int64.
        labels: Text of its label.
    """

    def __init__(
        self,
        paths: PackedPaths,
        names: PackedPaths,
        shard: np.ndarray,
        start: np.ndarray,
        size: np.ndarray,
        labels: PackedPaths,
    ) -> None:
        self.paths = paths
        self.names = names
        self.shard = shard
        self.start = start
        self.size = size
        self.labels = labels

    def __len__(self) -> int:
        return len(self.shard)

    def name(self, place: int) -> str:
        """The name of the file, and of its shard."""
        return f"{self.names[place]} of {self.paths[int(self.shard[place])]}"

    def read_bytes(self, place: int) -> bytes:
        """The bytes of a file.

        Raises:
            UnreadableImageError: If the shard ends before.
        """
        size = int(self.size[place])
        data = _read(self.paths[int(self.shard[place])], int(self.start[place]), size)
        if len(data) < size:
            raise UnreadableImageError(
                f"Cannot read the image {self.name(place)}: the shard is cut off."
            )
        return data
