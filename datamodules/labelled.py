"""Labelled images one at a time, for evaluation by training: all labels, a fraction, or a few."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .datamodule import MultiViewDataModule, Splits
from .sources.image_source import ImageSource, SubsetSource, labelled
from .sources.label_subsets import few_per_class
from .transforms.geometry import Framing, Images
from .transforms.seeding import Draws
from .views.base import Views


class LabelledDataModule(MultiViewDataModule):
    """The labelled images of another data module, as one view each, with all labels or some.

    Which labels are kept depends on `seed` and the data set alone; with one seed the images of a
    smaller fraction are among those of a larger one. Validation and test images, normalisation and
    evaluation transform are those of the other data module.

    Args:
        data: The images.
        label_fraction: Part of the labelled images of every class to keep, in (0, 1], at least one
            per class; 0.01 and 0.1 are the usual semi-supervised settings. Null for all.
        labels_per_class: Labelled images per class to keep, the few-label setting. Null for all.
        augmentation: Random framing of training images, such as `RandomCrop` or `SmallMotion`; null
            leaves them under the evaluation transform.
        batch_size: Training images per batch and process; at most what there is.
        eval_batch_size: Images per evaluation batch and process.
        num_workers: As for `MultiViewDataModule`.
        seed: Seed of the choice of labels, of order and of augmentation.
    """

    def __init__(
        self,
        data: MultiViewDataModule,
        *,
        label_fraction: float | None = None,
        labels_per_class: int | None = None,
        augmentation: Framing | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 256,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        if label_fraction is not None and not 0.0 < label_fraction <= 1.0:
            raise ValueError(
                f"label_fraction={label_fraction}, but it must lie in (0, 1]; 1 % is 0.01."
            )
        if label_fraction is not None and labels_per_class is not None:
            raise ValueError(
                f"label_fraction={label_fraction} and labels_per_class={labels_per_class} both "
                "choose labels: set one of them to null."
            )
        super().__init__(
            views=OneView(data.views, augmentation),
            image_size=data.image_size,
            image_channels=data.image_channels,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            labels_per_class=labels_per_class,
            seed=seed,
        )
        self.data = data
        self.label_fraction = label_fraction

    def prepare_data(self) -> None:
        """Download the other data module's images if they are missing."""
        self.data.prepare_data()

    def load(self) -> Splits:
        """Choose among the labelled images.

        Raises:
            ValueError: If no image has a label.
        """
        splits = self.data.splits
        source = labelled(splits.bank or splits.train)
        if len(source) == 0:
            raise ValueError(
                f"{type(self.data).__name__} has no labelled training images to evaluate with. "
                "Give it a folder with one sub-folder per class, or another data set."
            )
        return Splits(train=self._choose(source), val=splits.val, test=splits.test)

    def _choose(self, source: ImageSource) -> ImageSource:
        if self.labels_per_class is not None:
            chosen = few_per_class(source.targets, self.labels_per_class, seed=self.seed)
        elif self.label_fraction is not None:
            chosen = fraction_per_class(source.targets, self.label_fraction, seed=self.seed)
        else:
            return source
        return SubsetSource(source, chosen)

    def train_dataloader(self) -> DataLoader:
        """Batches of one view per image (`MultiViewBatch`), in a new order every epoch."""
        _, processes = self._place()
        self.batch_size = max(1, min(self.batch_size, self.num_instances // processes))
        return super().train_dataloader()


def fraction_per_class(targets: Tensor, fraction: float, *, seed: int = 0) -> list[int]:
    """Choose the same fraction of every class, at least one image of each.

    Args:
        targets: Class of every image `[N]`; images without a label (-1) are never chosen.
        fraction: Part of every class, in (0, 1].
        seed: Seed of the choice; a smaller fraction gives a subset of a larger one.

    Returns:
        Indices in ascending order.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in targets[targets >= 0].unique():
        members = (targets == label).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=generator)
        chosen.append(members[order[: max(1, round(fraction * len(members)))]])
    return torch.cat(chosen).sort().values.tolist() if chosen else []


class OneView(Views):
    """A single view of every image, framed at random or whole, for training a classifier.

    Args:
        like: Views whose evaluation transform is applied to the framed image.
        framing: Cuts the view out of the image; null takes the whole image.
    """

    def __init__(self, like: Views, framing: Framing | None = None) -> None:
        super().__init__(size=like.size, mean=like.mean, std=like.std)
        self.like = like
        self.framing = framing

    @property
    def num_views(self) -> int:
        """One."""
        return 1

    def __call__(self, images: Images, seeds: Tensor) -> list[Tensor]:
        """Make the view `[N, C, size, size]`."""
        if self.size is None:
            raise ValueError("size is not set; pass it, or use the views in a data module.")
        if self.framing is not None:
            framed = self.framing(images, Draws(seeds, 0), self.size)
            images = (framed * 255).round().clamp(0, 255).to(torch.uint8)
        return [self.evaluate(images, self.size)]

    def evaluate(self, images: Images, size: int) -> Tensor:
        """The evaluation transform of the other views."""
        return self.like.evaluate(images, size)
