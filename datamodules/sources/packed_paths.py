"""Many paths in little memory that the workers of a loader share."""

import os
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np


class PackedPaths(Sequence[str]):
    """Paths as one block of bytes, read as a list of `str` is.

    A list of `str` holds an object per path, with a counter that is written whenever the path is
    read: in a forked worker each page of objects that is touched so becomes a copy of its own. Here
    nothing is written after construction, so all workers read the pages of the first process.

    Args:
        paths: The paths, in order; taken one by one.

    Examples:
        >>> paths = PackedPaths(["cat/1.png", "dog/1.png", "dog/2.png"])
        >>> paths[0], paths[-1], len(paths), paths[::2]
        ('cat/1.png', 'dog/2.png', 3, ['cat/1.png', 'dog/2.png'])
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        packed, ends = bytearray(), array("q", [0])
        for path in paths:
            packed += os.fsencode(path)
            ends.append(len(packed))
        self._packed = np.frombuffer(bytes(packed), dtype=np.uint8)
        self._ends = np.array(ends, dtype=np.int64)

    @classmethod
    def of(cls, packed: np.ndarray, ends: np.ndarray) -> "PackedPaths":
        """The paths of what `arrays` gave."""
        paths = cls([])
        paths._packed, paths._ends = packed, ends
        return paths

    @classmethod
    def joined(cls, parts: Iterable["PackedPaths"]) -> "PackedPaths":
        """The paths of several, one after the other."""
        parts = [cls([]), *parts]
        lengths = np.concatenate([np.diff(part._ends) for part in parts])
        ends = np.concatenate([[0], lengths.cumsum()])
        return cls.of(np.concatenate([part._packed for part in parts]), ends)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The bytes of all paths `[B]`, and where each begins and the last ends `[N + 1]`."""
        return self._packed, self._ends

    @property
    def nbytes(self) -> int:
        """Bytes of all paths and of their places."""
        return self._packed.nbytes + self._ends.nbytes

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """A path; of a slice a list of them."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # counts from the end, and refuses what is beyond
        start, end = self._ends[place], self._ends[place + 1]
        return os.fsdecode(self._packed[start:end].tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
