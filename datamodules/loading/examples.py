"""Images beside their views, for people to look at."""

import torch
from torch import Tensor

from ..sources.image_source import ImageSource
from ..transforms.geometry import frame_whole
from ..transforms.seeding import sample_seeds
from ..views.base import Views


def example_views(
    source: ImageSource, views: Views, count: int, *, size: int, seed: int
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Evenly spaced images of a source and their views in epoch 0, as pictures.

    Args:
        source: The images.
        views: Makes the views.
        count: How many images.
        size: Edge of the images in pixels.
        seed: Seed of the views.

    Returns:
        The images `[C, size, size]` in [0, 1], and for each the list of its views.
    """
    count = min(count, len(source))
    rows = torch.arange(count) * len(source) // max(count, 1)
    images = source.read(rows.tolist())
    originals = [frame_whole([image], size)[0] for image in images]
    batch = views(images, sample_seeds(seed, 0, rows))
    pictures = [
        [views.show(view[row], index) for index, view in enumerate(batch)] for row in range(count)
    ]
    return originals, pictures
