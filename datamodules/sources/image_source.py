"""Where raw images come from.

A source is an indexed collection of undecorated images: no augmentation, no batches, no epochs.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

UNLABELED = -1


class ImageSource(Protocol):
    """Raw images by index.

    Attributes:
        targets: Class of every image `[N]`, int64; -1 where there is no label.
        class_names: Name of every class; empty when nothing is labeled.
        uniform: Whether all images have one size, so that `read` gives one tensor.
        unreadable: Which images turned out to be unreadable `[N]`, bool; `read` gives something
            black in their place. None when reading stops at the first of them.

    Examples:
        >>> import torch
        >>> class Gray:  # any class with these names is a source
        ...     targets, class_names = torch.tensor([-1, -1]), []
        ...     uniform, unreadable = True, None
        ...     def __len__(self):
        ...         return 2
        ...     def read(self, indices):
        ...         return torch.full((len(indices), 3, 8, 8), 127, dtype=torch.uint8)
        ...     def name(self, index):
        ...         return f"gray {index}"
        >>> from metaug.datamodules import SubsetSource
        >>> SubsetSource(Gray(), [1]).name(0)
        'gray 1'
    """

    targets: Tensor
    class_names: list[str]
    uniform: bool

    @property
    def unreadable(self) -> Tensor | None:
        """Which images turned out to be unreadable."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, indices: Sequence[int]) -> Tensor | list[Tensor]:
        """Images: `[n, C, H, W]` when uniform, else a list of `[C, H, W]`.

        Their values are uint8, or float32 in [0, 1] where there are more than 8 bits.
        """
        ...

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        ...


class InMemorySource:
    """Images that were decoded once and are held in memory.

    Args:
        images: All images `[N, C, H, W]`, uint8 or float32 in [0, 1].
        targets: Class of every image `[N]`; -1 where there is no label. Default: no labels.
        class_names: Name of every class. Default: the numbers of the classes.
        names: How to call every image in a message.
        unreadable: Which images are missing `[N]`, bool.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import InMemorySource
        >>> images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> source = InMemorySource(images, torch.tensor([0, 1, 0, 1]), ["cat", "dog"])
        >>> source.read([0, 3]).shape
        torch.Size([2, 3, 8, 8])
    """

    uniform = True

    def __init__(
        self,
        images: Tensor,
        targets: Tensor | None = None,
        class_names: Sequence[str] = (),
        *,
        names: Sequence[str] | None = None,
        unreadable: Tensor | None = None,
    ) -> None:
        if images.dtype not in (torch.uint8, torch.float32) or images.ndim != 4:
            raise ValueError(
                f"images must be uint8, or float32 in [0, 1], of shape [N, C, H, W], but are "
                f"{images.dtype} of shape {list(images.shape)}. Scale and stack them."
            )
        if images.dtype == torch.float32 and images.numel():
            low, high = (float(end) for end in images.aminmax())
            if not (low >= 0 and high <= 1):
                raise ValueError(
                    f"images of float32 must lie in [0, 1], but go from {low:g} to {high:g}. Leave "
                    "normalization to the data module."
                )
        self.images = images
        self.targets = as_targets(targets, len(images))
        self.class_names = name_classes(self.targets, class_names)
        self.names = names
        self.unreadable = unreadable

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Images `[n, C, H, W]`."""
        return self.images[torch.as_tensor(indices)].contiguous()

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        return f"image {index}" if self.names is None else str(self.names[index])


class SubsetSource:
    """A part of another source's images, under new indices.

    Args:
        source: The other source.
        indices: Which of its images, in order.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import InMemorySource, SubsetSource
        >>> source = InMemorySource(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4))
        >>> SubsetSource(source, [3, 1]).targets.tolist()
        [3, 1]
    """

    def __init__(self, source: ImageSource, indices: Sequence[int]) -> None:
        self.source = source
        self.indices = torch.as_tensor(indices, dtype=torch.int64)
        self.targets = source.targets[self.indices]
        self.class_names = source.class_names
        self.uniform = source.uniform

    @property
    def unreadable(self) -> Tensor | None:
        """Which images turned out to be unreadable."""
        unreadable = self.source.unreadable
        return None if unreadable is None else unreadable[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: Sequence[int]) -> Tensor | list[Tensor]:
        """Images as the other source gives them."""
        return self.source.read(self.indices[torch.as_tensor(indices)].tolist())

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        return self.source.name(int(self.indices[index]))


class JoinedSource:
    """The images of several sources, one after the other.

    Args:
        sources: The sources, which name the same classes; at least one.
    """

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self.sources = list(sources)
        self.targets = torch.cat([source.targets for source in sources])
        self.class_names = max((source.class_names for source in sources), key=len)
        self.uniform = False
        ends = torch.tensor([len(source) for source in sources]).cumsum(0)
        self._starts = [0, *ends.tolist()]
        self._ends = ends

    @property
    def unreadable(self) -> Tensor | None:
        """Which images turned out to be unreadable."""
        flags = [source.unreadable for source in self.sources]
        if all(flag is None for flag in flags):
            return None
        return torch.cat(
            [
                torch.zeros(len(source), dtype=torch.bool) if flag is None else flag
                for source, flag in zip(self.sources, flags, strict=True)
            ]
        )

    def __len__(self) -> int:
        return len(self.targets)

    def _find(self, index: int) -> tuple[ImageSource, int]:
        part = int(torch.searchsorted(self._ends, index, right=True))
        return self.sources[part], index - self._starts[part]

    def read(self, indices: Sequence[int]) -> list[Tensor]:
        """Images, a list of `[C, H, W]`."""
        found = (self._find(int(index)) for index in indices)
        return [source.read([inside])[0] for source, inside in found]

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        source, inside = self._find(index)
        return source.name(inside)


def as_targets(targets: Tensor | None, count: int) -> Tensor:
    """Classes as int64 `[N]`; `[N, 1]` is squeezed, none stands for no labels.

    Raises:
        ValueError: If they are not one whole number, -1 or more, per image.
    """
    if targets is None:
        return torch.full((count,), UNLABELED)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    whole = targets.to(torch.int64)
    if targets.shape != (count,) or (whole != targets).any() or (whole < UNLABELED).any():
        raise ValueError(
            f"targets must be one class per image, [{count}], whole numbers from 0 on or -1 for no "
            f"label, got {targets.dtype} of shape {list(targets.shape)}. One-hot labels become "
            "classes by `targets.argmax(1)`."
        )
    return whole


def name_classes(targets: Tensor, class_names: Sequence[str]) -> list[str]:
    """The names of classes as given; where there are none, the numbers up to the largest.

    Raises:
        ValueError: If a class has no name.
    """
    largest = int(targets.max()) if len(targets) else UNLABELED
    names = list(class_names) or [str(number) for number in range(largest + 1)]
    if largest >= len(names):
        raise ValueError(
            f"there are targets up to {largest}, but class_names has {len(names)} name(s), those "
            f"of the classes 0 to {len(names) - 1}. Number classes from 0 on, or name them all."
        )
    return names


def labeled(source: ImageSource) -> ImageSource:
    """The images of a source that have a label."""
    known = (source.targets != UNLABELED).nonzero()[:, 0]
    return source if len(known) == len(source) else SubsetSource(source, known.tolist())
