"""The index of shards: what is where, found once and kept beside them."""

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pytorch_lightning.utilities import rank_zero_warn

from .decode import printable
from .libraries import library
from .packed_paths import PackedPaths
from .shards import NEEDED_BY, Sample, ShardImages, members, samples_of

_VERSION = 1


def open_shards(paths: Sequence[Path], image: str, label: str | None) -> ShardImages:
    """The images of shards, by the index beside them; where there is none, it is made and kept.

    Args:
        paths: The shards, in order.
        image: Ending of the images, or `auto`.
        label: Ending of the labels; `auto` takes `cls` if the first sample has it; null for none.
    """
    if label == "auto":
        label = "cls" if _first_has(paths[0], "cls") else None
    made_of = _fingerprint(paths, image, label)
    kept = paths[0].parent / f".metaug-{hashlib.sha256(made_of[0]).hexdigest()[:12]}.npz"
    images = _load(kept, paths, made_of[1])
    if images is None:
        images = index(paths, image, label)
        _keep(kept, images, made_of[1])
    return images


def index(paths: Sequence[Path], image: str, label: str | None) -> ShardImages:
    """Look through all shards; contents are not read, but for the labels.

    Args:
        paths: The shards, in order.
        image: Ending of the images, or `auto`.
        label: Ending of the labels; null for none.
    """
    names, labels = [], []
    columns: list[np.ndarray] = []
    for number, path in enumerate(paths):
        samples: list[Sample] = list(samples_of(path, image, label))
        names.append(PackedPaths(sample.name for sample in samples))
        labels.append(PackedPaths(sample.label for sample in samples))
        rows = [(number, sample.start, sample.size) for sample in samples]
        columns.append(np.array(rows, dtype=np.int64).reshape(-1, 3))
    shard, start, size = np.ascontiguousarray(np.concatenate(columns).T)
    return ShardImages(
        PackedPaths(paths),
        PackedPaths.joined(names),
        shard,
        start,
        size,
        PackedPaths.joined(labels),
    )


def _first_has(shard: Path, ending: str) -> bool:
    grouped = library("webdataset.tariterators", NEEDED_BY).group_by_keys(members(shard))
    return ending in next(grouped, {})


def _fingerprint(paths: Sequence[Path], image: str, label: str | None) -> tuple[bytes, str]:
    """What an index is of; and that with the state of the files, for which alone it holds."""
    of = [_VERSION, image, label, [path.name for path in paths]]
    states = [path.stat() for path in paths]
    state = [(status.st_size, status.st_mtime_ns) for status in states]
    return json.dumps(of).encode(), json.dumps([of, state])


def _load(kept: Path, paths: Sequence[Path], made_of: str) -> ShardImages | None:
    try:
        with np.load(kept) as held:
            if str(held["made_of"]) != made_of:
                return None
            names, labels = (
                PackedPaths.of(held[name], held[f"{name}_ends"]) for name in ("names", "labels")
            )
            return ShardImages(
                PackedPaths(paths), names, held["shard"], held["start"], held["size"], labels
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # none, or a broken one
        return None


def _keep(kept: Path, images: ShardImages, made_of: str) -> None:
    names, names_ends = images.names.arrays()
    labels, labels_ends = images.labels.arrays()
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        with open(draft, "wb") as file:
            np.savez(
                file,
                made_of=np.array(made_of),
                shard=images.shard,
                start=images.start,
                size=images.size,
                names=names,
                names_ends=names_ends,
                labels=labels,
                labels_ends=labels_ends,
            )
        os.replace(draft, kept)
    except OSError as error:
        rank_zero_warn(
            f"the index of the shards cannot be kept as {printable(kept)}: {error.strerror}. Each "
            "process of each run looks through all shards anew; make the folder writable once",
            stacklevel=2,
        )
