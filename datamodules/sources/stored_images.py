"""Image files that lie inside something larger: a table, a shard."""

import io
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload

from .decode import printable


class StoredImage(NamedTuple):
    """An image file inside something larger, read when it is needed.

    Attributes:
        store: What holds it.
        place: Its number there.
    """

    store: "StoredImages"
    place: int


class StoredImages(Sequence[StoredImage]):
    """The image files of a store, in the place of paths: a `FileSource` reads them as files.

    Examples:
        >>> import io
        >>> from PIL import Image
        >>> from metaug.datamodules import FileSource
        >>> class Black(StoredImages):
        ...     def __len__(self):
        ...         return 2
        ...     def read_bytes(self, place):
        ...         Image.new("RGB", (8, 6)).save(file := io.BytesIO(), "PNG")
        ...         return file.getvalue()
        ...     def name(self, place):
        ...         return f"black {place}"
        >>> source = FileSource(Black())
        >>> source.read([1])[0].shape, source.name(1)
        (torch.Size([3, 6, 8]), 'black 1')
    """

    @abstractmethod
    def read_bytes(self, place: int) -> bytes:
        """The bytes of a file."""

    @abstractmethod
    def name(self, place: int) -> str:
        """How to call a file in a message."""

    @overload
    def __getitem__(self, index: int) -> StoredImage: ...

    @overload
    def __getitem__(self, index: slice) -> list[StoredImage]: ...

    def __getitem__(self, index: int | slice) -> StoredImage | list[StoredImage]:
        """A file that is not read yet; of a slice a list of them."""
        places = range(len(self))[index]
        if isinstance(places, int):
            return StoredImage(self, places)
        return [StoredImage(self, place) for place in places]


def read_bytes(file: str | StoredImage) -> bytes:
    """The bytes of a file, by its path or of a store."""
    if isinstance(file, str):
        return Path(file).read_bytes()
    return file.store.read_bytes(file.place)


def to_open(file: str | StoredImage) -> str | io.BytesIO:
    """What Pillow opens: a path, or the bytes of a store."""
    return file if isinstance(file, str) else io.BytesIO(read_bytes(file))


def name_of(file: str | StoredImage) -> str:
    """How to call a file in a message, as text that can be printed."""
    return printable(file if isinstance(file, str) else file.store.name(file.place))
