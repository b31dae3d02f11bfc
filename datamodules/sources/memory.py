"""Holding a data set in memory: decoded once, as 8-bit values, or floats where it has more."""

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
from torch import Tensor

from ..transforms.geometry import fit, to_unit
from ..transforms.ranges import check_choice
from .files import FileSource
from .image_source import ImageSource, InMemorySource

InMemory = bool | Literal["auto"]

LIMIT = 2 << 30  # bytes that `auto` may take


def hold(
    source: ImageSource, size: int | None = None, threads: int = 1, limit: int | None = None
) -> InMemorySource | None:
    """Read all images of a source.

    Args:
        source: Raw images.
        size: Resize and crop every image to this edge; null leaves them as they are.
        threads: How many images to decode at once.
        limit: Bytes that they may take; null for any.

    Returns:
        The images in memory; None if they differ in size and `size` is null, or take more.

    Raises:
        ValueError: If no image can be read.
    """
    held: Tensor | None = None

    def read(index: int) -> Tensor | None:
        image = source.read([index])[0]
        missing = source.unreadable
        if missing is not None and missing[index]:
            return None
        return image if size is None else fit(image, size)

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(source), 1024):
            block = range(start, min(start + 1024, len(source)))
            for index, image in zip(block, pool.map(read, block), strict=True):
                if image is None:
                    continue
                if held is None or held.element_size() < image.element_size():
                    if limit is not None and len(source) * image.nbytes > limit:
                        return None
                    if held is None:
                        held = torch.zeros(len(source), *image.shape, dtype=image.dtype)
                    held = to_unit(held) if held.dtype != image.dtype else held
                if image.shape != held.shape[1:]:
                    return None
                held[index] = image if image.dtype == held.dtype else to_unit(image)
    names = [source.name(index) for index in range(len(source))]
    if held is None:
        raise ValueError(f"None of the {len(source)} images can be read; first: {names[:3]}.")
    return InMemorySource(
        held, source.targets, source.class_names, names=names, unreadable=source.unreadable
    )


def hold_files(files: FileSource, in_memory: InMemory, size: int) -> ImageSource:
    """Read image files now, or leave them to be read when they are needed.

    Args:
        files: The files.
        in_memory: True resizes them to `size` and holds them; `auto` holds them as they are if they
            all have one size and fit 2 GiB; false leaves them.
        size: Edge to resize to.
    """
    check_choice(in_memory, "in_memory", [True, False, "auto"])
    if in_memory is True:
        return hold(files, size, threads=4) or files
    if in_memory == "auto" and (size_of_all := files.one_size()):
        height, width = size_of_all
        if len(files) * files.channels * height * width <= LIMIT:
            return hold(files, threads=4, limit=LIMIT) or files
    return files
