"""Image files that workers read but do not decode: JPEGs are decoded on the model's device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..sources.files import root_files
from ..sources.image_source import ImageSource
from ..sources.jpeg import decode_jpegs
from ..transforms.ranges import check_seed
from ..transforms.seeding import move, sample_seeds
from .batch import ImageBatch
from .dataset import Key, read_or_replace, split_keys


@dataclass(frozen=True)
class EncodedBatch:
    """A training batch of image files, for views that are made on the device.

    The bytes of all images are one tensor, since each tensor of a worker takes an open file. They
    stay on the CPU, where decoders read them.

    Attributes:
        data: The images one after the other `[B]`, uint8.
        shapes: `(bytes,)` of a JPEG file, `(C, H, W)` of an image that the worker decoded.
        deep: Which images are float32 rather than uint8.
        epoch: Epoch of every image `[N]`, int64.
        index: Position of every image in the training set `[N]`, int64.
        device: Where the images are to be decoded.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import EncodedBatch
        >>> number = torch.zeros(1, dtype=torch.int64)
        >>> batch = EncodedBatch(torch.zeros(48).byte(), [(3, 4, 4)], number, number)
        >>> [image.shape for image in batch.to("meta").images()], batch.to("meta").device
        ([torch.Size([3, 4, 4])], device(type='meta'))
    """

    data: Tensor
    shapes: list[tuple[int, ...]]
    epoch: Tensor
    index: Tensor
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    deep: frozenset[int] = frozenset()

    def images(self) -> list[Tensor]:
        """Each image, on the CPU: a JPEG's bytes `[B]` or pixels `[C, H, W]`."""
        kinds = [
            torch.float32 if row in self.deep else torch.uint8 for row in range(len(self.shapes))
        ]
        layout = list(zip(self.shapes, kinds, strict=True))
        parts = self.data.split([torch.Size(s).numel() * kind.itemsize for s, kind in layout])
        # a float may begin at any byte of the others, where it cannot be looked at in place
        return [
            (part.clone() if kind.itemsize > 1 else part).view(kind).view(shape)
            for part, (shape, kind) in zip(parts, layout, strict=True)
        ]

    def to(self, device: torch.device | str) -> "EncodedBatch":
        """Note where to decode; Lightning calls this to move a batch."""
        return replace(self, device=torch.device(device))

    def pin_memory(self) -> "EncodedBatch":
        """Pin the images, for copies that do not wait; loaders call this where there is a GPU."""
        return replace(self, data=self.data.pin_memory())


class EncodedDataset(Dataset):
    """The files of a source, and what their views depend on.

    Args:
        source: Image files, or some of them.
        seed: Seed of the views.
    """

    def __init__(self, source: ImageSource, *, seed: int = 0) -> None:
        check_seed(seed)
        self.source = source
        self.seed = seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, keys: Sequence[Key]) -> EncodedBatch:
        """A batch; in place of an image that is known to be unreadable, the next one."""
        epoch, index = split_keys(keys)
        images, index = read_or_replace(self.source, index, encoded=True)
        data = torch.cat([image.flatten().view(torch.uint8) for image in images])
        deep = frozenset(row for row, image in enumerate(images) if image.is_floating_point())
        shapes = [tuple(image.shape) for image in images]
        return EncodedBatch(data, shapes, epoch, index, deep=deep)


def decode(batch: EncodedBatch, source: ImageSource, seed: int) -> ImageBatch:
    """Decode a batch on its device; what turns out corrupt is read again as a worker would.

    Args:
        batch: The files.
        source: Where they are from.
        seed: Seed of the views.

    Returns:
        The images, a list of `[C, H, W]` on the device, and seeds on the CPU, which frames images
        of different sizes.

    Raises:
        UnreadableImageError: If an image cannot be read, and unreadable ones are not skipped.
    """
    files = root_files(source)
    assert files is not None
    index, device = batch.index.clone(), batch.device
    parts: list[Tensor | None] = list(batch.images())
    jpegs = [row for row, shape in enumerate(batch.shapes) if len(shape) == 1]
    decoded = decode_jpegs([parts[row] for row in jpegs], files.channels, device)  # type: ignore[misc]
    for row, image in zip(jpegs, decoded, strict=True):
        parts[row] = image
    images = []
    for row, image in enumerate(parts):
        if image is None:
            (image,), index[row : row + 1] = read_or_replace(source, index[row : row + 1])
        images.append(image.to(device, non_blocking=device.type == "cuda"))
    target = source.targets[index]
    seeds = sample_seeds(seed, batch.epoch, index)
    return ImageBatch(images, move(target, device), move(index, device), seeds)
