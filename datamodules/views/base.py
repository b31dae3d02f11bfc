"""Views: what turns one image into several random ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from ..transforms.color import Change
from ..transforms.geometry import Framing, Images, frame_whole
from ..transforms.ranges import check, check_normalization, check_size
from ..transforms.seeding import Draws
from .chunks import chunks_of_views, join_chunks, views_at_once


class Views(ABC):
    """Makes `num_views` random views of every image of a batch.

    Args:
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> from metaug.datamodules import Views
        >>> class Whole(Views):
        ...     @property
        ...     def num_views(self):
        ...         return 2
        ...     def __call__(self, images, seeds):
        ...         return [self.evaluate(images, self.view_size(0)) for _ in range(2)]
        >>> import torch
        >>> views = Whole().bind(size=16, mean=(0.5,) * 3, std=(0.2,) * 3)
        >>> views(torch.zeros(4, 3, 20, 20, dtype=torch.uint8), torch.arange(4))[0].shape
        torch.Size([4, 3, 16, 16])
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check_size(size, "size", optional=True)
        check_normalization(mean, std)
        self.size = size
        self.mean = None if mean is None else tuple(mean)
        self.std = None if std is None else tuple(std)
        self._constants: dict[torch.device, Tensor] = {}

    @property
    @abstractmethod
    def num_views(self) -> int:
        """Number of views of an image."""

    @property
    def in_batches(self) -> bool:
        """Whether a whole batch is changed at once, so that it can be done on the device."""
        return True

    def bind(
        self,
        *,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        channels: int | None = None,
    ) -> "Views":
        """A copy in which is filled in what was left to the data module.

        Args:
            size: Edge of the views in pixels.
            mean: Mean of every channel.
            std: Standard deviation of every channel.
            channels: Number of channels of the images; None if it is not known.

        Raises:
            ValueError: If the views or the numbers are not made for so many channels.
        """
        if channels is not None:
            self.check_channels(channels)
        bound = copy(self)
        bound.size = self.size or size
        bound.mean = tuple(mean) if self.mean is None else self.mean
        bound.std = tuple(std) if self.std is None else self.std
        check_normalization(bound.mean, bound.std, channels=channels)
        bound._constants = {}
        return bound

    def check_channels(self, channels: int) -> None:  # noqa: B027 - a choice
        """Refuse numbers of channels that the views are not made for; any are taken here.

        Args:
            channels: That of the images.

        Raises:
            ValueError: Naming the option.
        """

    def view_size(self, view: int) -> int:
        """Edge of a view in pixels."""
        if self.size is None:
            raise ValueError("size is not set; pass it, or use the views in a data module.")
        return self.size

    @abstractmethod
    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views.

        Args:
            images: Images, uint8 or in [0, 1], `[N, C, H, W]` or a list of `[C, H, W]`.
            seeds: Seed of every image `[N]`, int64, on the device of the images; on the CPU for a
                list.

        Returns:
            One tensor `[N, C, size, size]` per view.
        """

    def evaluate(self, images: Images, size: int) -> Tensor:
        """The evaluation transform: the whole image, without randomness, scaled as the views are.

        Args:
            images: Images, uint8 or in [0, 1], `[N, C, H, W]` or a list of `[C, H, W]`.
            size: Edge of the result.

        Returns:
            Images `[N, C, size, size]`.
        """
        return self.normalize(frame_whole(images, size))

    def normalize(self, images: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation."""
        if self.mean is None or self.std is None:
            return images
        if images.device not in self._constants:
            values = torch.tensor([self.mean, self.std])[:, :, None, None]
            self._constants[images.device] = values.to(images.device)
        mean, std = self._constants[images.device]
        return (images - mean).div_(std)

    def show(self, view: Tensor, index: int = 0) -> Tensor:
        """Turn a view back into a picture.

        Args:
            view: One view of one image `[C, H, W]`.
            index: Which of the views it is.

        Returns:
            The picture `[C, H, W]` in [0, 1].
        """
        if self.mean is None or self.std is None:
            return view.clamp(0, 1)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        return (view.cpu() * std + mean).clamp(0, 1)


class Recipe:
    """How one view is made: a framing, then changes.

    Args:
        framing: Cuts the view out of the image.
        changes: What happens to it then, in order.

    Examples:
        >>> from metaug.datamodules import ColorJitter, GaussianBlur, RandomCrop, Recipe
        >>> recipe = Recipe(RandomCrop((0.2, 1.0)), [ColorJitter(), GaussianBlur(probability=0.5)])
        >>> len(recipe.changes)
        2
    """

    def __init__(self, framing: Framing, changes: Sequence[Change] = ()) -> None:
        self.framing = framing
        self.changes = list(changes)

    def __call__(self, images: Images, draws: Draws, size: int) -> Tensor:
        """Make one view `[N, C, size, size]` in [0, 1] of every image."""
        view = self.framing(images, draws, size)
        draws.follow(view)
        for change in self.changes:
            view = change(view, draws)
        return view


def check_num_views(num_views: int) -> int:
    """Refuse fewer than two views."""
    check(
        num_views,
        "num_views",
        at_least=2,
        whole=True,
        why="contrastive learning compares views of the same image",
    )
    return num_views


class RecipeViews(Views):
    """Views that are made by recipes, each view by its own.

    Args:
        recipes: One recipe per view, at least two.
        size: Edge of the views in pixels; null takes the data module's `image_size`.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import GaussianBlur, RandomCrop, Recipe, RecipeViews, Solarize
        >>> crop = RandomCrop((0.08, 1.0))
        >>> first = Recipe(crop, [GaussianBlur(probability=1.0)])  # the two views of BYOL differ
        >>> second = Recipe(crop, [GaussianBlur(probability=0.1), Solarize(probability=0.2)])
        >>> views = RecipeViews([first, second], size=32)
        >>> [v.shape for v in views(torch.zeros(4, 3, 40, 40, dtype=torch.uint8), torch.arange(4))]
        [torch.Size([4, 3, 32, 32]), torch.Size([4, 3, 32, 32])]
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        *,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(size=size, mean=mean, std=std)
        self.recipes = list(recipes)
        check_num_views(len(self.recipes))

    @property
    def num_views(self) -> int:
        """Number of views of an image."""
        return len(self.recipes)

    def check_channels(self, channels: int) -> None:
        """Refuse numbers of channels that a change is not made for."""
        for change in (change for recipe in self.recipes for change in recipe.changes):
            change.check_channels(channels)

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the views; neighbors of one recipe and size side by side, as one batch."""
        views, stream = [], 0
        while stream < self.num_views:
            recipe, size = self.recipes[stream], self.view_size(stream)
            streams = self._alike(stream, views_at_once(images, size))
            chunks = [
                self.normalize(recipe(chunk, draws, size))
                for chunk, draws in chunks_of_views(images, seeds, streams, size)
            ]
            views += join_chunks(chunks, len(streams))
            stream = streams.stop
        return views

    def _alike(self, first: int, most: int) -> range:
        """The views from the first on that differ in their stream alone, at most so many."""
        stop = first + 1
        while (
            stop < min(self.num_views, first + most)
            and self.recipes[stop] is self.recipes[first]
            and self.view_size(stop) == self.view_size(first)
        ):
            stop += 1
        return range(first, stop)
