"""Images, or features of images, with their labels and indices; how a batch becomes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..distributed.collectives import all_max, gather_rows, world_size


class Labeled(NamedTuple):
    """Images or features with labels, in the order of their data set.

    Attributes:
        value: Images `[N, C, H, W]`, or features `[N, F]` in float32.
        target: `[N]` int64 class of each image, -1 where there is no label.
        index: `[N]` int64 position of each image in its data set, -1 where it is not known.

    Examples:
        >>> features = Labeled(torch.eye(3), torch.tensor([4, -1, 0]), torch.arange(3))
        >>> features.labeled().index
        tensor([0, 2])
    """

    value: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]

    def labeled(self) -> "Labeled":
        """The part that has labels."""
        return self.take(self.target >= 0)

    def take(self, chosen: Tensor) -> "Labeled":
        """The part that a mask or an index tensor chooses."""
        return Labeled(*(part[chosen.to(part.device)] for part in self))

    def to(self, device: torch.device) -> "Labeled":
        """The same on another device."""
        return Labeled(*(part.to(device) for part in self))

    def gathered(self, device: torch.device | None = None) -> "Labeled":
        """The images of all processes in the order of their index, on every process.

        Args:
            device: What the processes communicate by, where that is not the device of this.
        """
        parts = self
        if world_size() > 1:
            parts = Labeled(
                *(gather_rows(part.to(device or part.device)).to(part.device) for part in self)
            )
        return parts.take(parts.index.argsort(stable=True))


Features = Labeled
"""A `Labeled` whose values are features `[N, F]`."""


def read_batch(batch: Any, index: Tensor | None = None) -> Labeled:
    """Read an evaluation batch.

    Args:
        batch: An image tensor, `(image, target)`, `(image, target, index)`, anything longer, or a
            mapping with `image` and, if there are any, `target` (`label`) and `index`
            (`sample_idx`).
        index: `[N]` indices for a batch that has none of its own; -1 if None.

    Raises:
        TypeError: If the batch has none of these forms.
    """
    if isinstance(batch, Tensor):
        parts: list[Any] = [batch]
    elif isinstance(batch, Mapping):
        parts = [
            next((batch[key] for key in keys if key in batch), None)
            for keys in (
                ("image", "images"),
                ("target", "label", "labels"),
                ("index", "sample_idx"),
            )
        ]
    else:
        parts = list(batch) if isinstance(batch, tuple | list) else [None]
    image, target, own_index = (*parts, None, None)[:3]
    if not isinstance(image, Tensor):
        raise TypeError(
            f"evaluation reads image tensors, (image, target), (image, target, index) or a mapping "
            f"with 'image'; the batch is a {type(batch).__name__} whose image is a "
            f"{type(image).__name__}. Use loaders of such batches (a probe's are bank= and "
            "queries=)"
        )
    unknown = torch.full((len(image),), -1, device=image.device)
    if not _is_integer_row(target, len(image)):
        target = unknown
    if not _is_integer_row(own_index, len(image)):
        own_index = unknown if index is None else index.to(image.device)
    return Labeled(image, target.long(), own_index.long())


def _is_integer_row(value: Any, length: int) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == (length,)
        and not value.is_floating_point()
        and not value.is_complex()
    )


def count_classes(*parts: Labeled) -> int:
    """Number of classes over all processes: one more than the largest label."""
    targets = torch.cat([part.target for part in parts])
    largest = int(targets.max()) if len(targets) else -1
    return all_max(largest, targets.device) + 1
