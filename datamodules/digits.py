"""Scikit-learn's handwritten digits: real images without a download."""

from typing import Any

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from .datamodule import MultiViewDataModule
from .sources.image_source import InMemorySource, SubsetSource
from .sources.label_subsets import split_fraction
from .sources.splits import Splits
from .views.base import Views
from .views.digit_views import DigitViews


class DigitsDataModule(MultiViewDataModule):
    """1,797 handwritten digits of 8 x 8 pixels in 10 classes, one gray channel.

    Four fifths train; the rest, the same for every seed, is validation and test split alike.

    Args:
        views: Makes the random views; null takes `DigitViews`.
        image_size: Edge of views and evaluation images in pixels; the digits are enlarged to it.
        kwargs: As for `MultiViewDataModule`.

    Examples:
        >>> from metaug.datamodules import DigitsDataModule
        >>> data = DigitsDataModule(batch_size=128)
        >>> data.setup("fit")
        >>> batch = next(iter(data.train_dataloader()))
        >>> [view.shape for view in batch.views]
        [torch.Size([128, 1, 16, 16]), torch.Size([128, 1, 16, 16])]
        >>> data.num_instances, data.num_classes
        (1438, 10)
    """

    gray_mean = 0.305
    gray_std = 0.356

    def __init__(self, *, views: Views | None = None, image_size: int = 16, **kwargs: Any) -> None:
        super().__init__(views=views, image_size=image_size, image_channels=1, **kwargs)

    def default_views(self, image_size: int) -> Views:
        """Small motions that leave a digit what it is."""
        return DigitViews()

    def load(self) -> Splits:
        """Enlarge the digits and split them."""
        digits = load_digits()
        images = torch.from_numpy(digits.images).float()[:, None] / 16.0
        size = (self.image_size, self.image_size)
        images = interpolate(images, size, mode="bicubic", align_corners=False).clamp(0, 1)
        source = InMemorySource(
            (images * 255).round().to(torch.uint8),
            torch.from_numpy(digits.target),
            [str(digit) for digit in range(10)],
        )
        train, test = split_fraction(source.targets, 0.2, seed=0)
        held_out = SubsetSource(source, test)
        return Splits(train=SubsetSource(source, train), val=held_out, test=held_out)
