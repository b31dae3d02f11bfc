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
        """Images as uint8: `[n, C, H, W]` when uniform, else a list of `[C, H, W]`."""
        ...

    def name(self, index: int) -> str:
        """How to call an image in a message."""
        ...


class InMemorySource:
    """Images that were decoded once and are held as uint8.

    Args:
        images: All images `[N, C, H, W]`, uint8.
        targets: Class of every image `[N]`; -1 where there is no label. Default: no labels.
        class_names: Name of every class.
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
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(
                f"images must be uint8 of shape [N, C, H, W], but are {images.dtype} of shape "
                f"{list(images.shape)}. Scale them to 0..255 and stack them."
            )
        self.images = images
        if targets is None:
            targets = torch.full((len(images),), UNLABELED)
        self.targets = targets.to(torch.int64)
        self.class_names = list(class_names)
        self.names = names
        self.unreadable = unreadable

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Images `[n, C, H, W]`, uint8."""
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


def labeled(source: ImageSource) -> ImageSource:
    """The images of a source that have a label."""
    known = (source.targets != UNLABELED).nonzero()[:, 0]
    return source if len(known) == len(source) else SubsetSource(source, known.tolist())
