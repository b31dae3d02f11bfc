"""A source of image files, decoded when they are asked for."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..transforms.ranges import check, check_choice
from .decode import UnreadableImageError, image_size, read_image
from .image_source import ImageSource, SubsetSource, as_targets, name_classes
from .jpeg import is_plain_jpeg
from .packed_paths import PackedPaths
from .pixels import ValueRange, check_value_range
from .stored_images import StoredImages, name_of, read_bytes, to_open

OnError = Literal["raise", "skip"]


class FileSource:
    """Image files, decoded each time they are read.

    Args:
        paths: The files, by their paths or in a store.
        targets: Class of every image `[N]`; -1 where there is no label. Default: no labels.
        class_names: Name of every class. Default: the numbers of the classes.
        channels: 3 for RGB, 1 for gray; see `read_image`.
        value_range: The values of black and white in images of more than 8 bits; see `read_image`.
        on_error: `raise` stops at an unreadable image and names it; `skip` goes on without it.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> from metaug.datamodules import FileSource
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     Image.new("RGB", (8, 6)).save(file.name)
        ...     source = FileSource([file.name, "missing.png"], on_error="skip")
        ...     [image.shape for image in source.read([0, 1])]
        [torch.Size([3, 6, 8]), torch.Size([3, 1, 1])]
        >>> source.unreadable.tolist()
        [False, True]
    """

    uniform = False

    def __init__(
        self,
        paths: Iterable[str | Path] | StoredImages,
        targets: Tensor | None = None,
        class_names: Sequence[str] = (),
        *,
        channels: int = 3,
        value_range: ValueRange = None,
        on_error: OnError = "raise",
    ) -> None:
        check_choice(on_error, "on_error", ["raise", "skip"])
        check(channels, "channels", at_least=1, whole=True)
        check_value_range(value_range)
        self.paths = paths if isinstance(paths, PackedPaths | StoredImages) else PackedPaths(paths)
        self.targets = as_targets(targets, len(self.paths))
        self.class_names = name_classes(self.targets, class_names)
        self.channels = channels
        self.value_range = value_range
        self.on_error = on_error
        # in shared memory, so that what a worker skips is known to all
        flags = torch.zeros(len(self.paths), dtype=torch.bool).share_memory_()
        self.unreadable: Tensor | None = flags if on_error == "skip" else None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Sequence[int]) -> list[Tensor]:
        """Images, a list of `[C, H, W]`, uint8 or float32 in [0, 1]."""
        return [self._read_one(index) for index in indices]

    def read_encoded(self, indices: Sequence[int]) -> list[Tensor]:
        """The bytes `[B]` of plain JPEGs, uint8; the images `[C, H, W]` of other files."""
        return [self._read_one(index, encoded=True) for index in indices]

    def _read_one(self, index: int, *, encoded: bool = False) -> Tensor:
        try:
            if encoded and self.channels in (1, 3):
                data = bytearray(read_bytes(self.paths[index]))
                if is_plain_jpeg(data):
                    return torch.frombuffer(data, dtype=torch.uint8)
            return read_image(
                to_open(self.paths[index]),
                self.channels,
                value_range=self.value_range,
                name=self.name(index),
            )
        except (UnreadableImageError, FileNotFoundError):
            if self.unreadable is None:
                raise
            self.unreadable[index] = True
            return torch.zeros(self.channels, 1, 1, dtype=torch.uint8)

    def name(self, index: int) -> str:
        """The file, as text that can be printed."""
        return name_of(self.paths[index])

    def one_size(self, probes: int = 64) -> tuple[int, int] | None:
        """Height and width if evenly spaced files have the same; None if they differ."""
        step = max(1, len(self) // probes)
        sizes = set()
        for file in self.paths[::step]:
            try:
                sizes.add(image_size(to_open(file), self.channels))
            except Exception:  # whatever is wrong shows when the file is decoded
                continue
        return sizes.pop() if len(sizes) == 1 else None


def root_files(source: ImageSource) -> FileSource | None:
    """The files that a source is a part of; None if it is something else."""
    while isinstance(source, SubsetSource):
        source = source.source
    return source if isinstance(source, FileSource) else None


def read_encoded(source: ImageSource, indices: Sequence[int]) -> list[Tensor]:
    """As `FileSource.read_encoded`, of a source of files or a part of one."""
    while isinstance(source, SubsetSource):
        indices = source.indices[torch.as_tensor(indices)].tolist()
        source = source.source
    assert isinstance(source, FileSource)
    return source.read_encoded(indices)
