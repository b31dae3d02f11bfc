"""Labeled images one at a time, for evaluation by training: all labels, a fraction, or a few."""

from .datamodule import MultiViewDataModule
from .loading.process import rank_and_world_size
from .sources.image_source import ImageSource, SubsetSource, labeled
from .sources.label_subsets import few_per_class, fraction_per_class
from .sources.splits import Splits
from .transforms.geometry import Framing
from .transforms.ranges import check
from .views.one_view import OneView


class LabelledDataModule(MultiViewDataModule):
    """The labeled images of another data module, as one view each, with all labels or some.

    Which labels are kept depends on `seed` and the data set alone; with one seed the images of a
    smaller fraction are among those of a larger one. Validation and test images, normalization and
    evaluation transform are those of the other data module.

    Args:
        data: The images.
        label_fraction: Part of the labeled images of every class to keep, in (0, 1], at least one
            per class; 0.01 and 0.1 are the usual semi-supervised settings. Null for all.
        labels_per_class: Labeled images per class to keep, the few-label setting. Null for all.
        augmentation: Random framing of training images, such as `RandomCrop` or `SmallMotion`; null
            leaves them under the evaluation transform.
        batch_size: Training images per batch and process; at most what there is.
        eval_batch_size: Images per evaluation batch and process.
        num_workers: As for `MultiViewDataModule`.
        seed: Seed of the choice of labels, of order and of augmentation.

    Examples:
        >>> from metaug.datamodules import DigitsDataModule, LabelledDataModule, SmallMotion
        >>> data = LabelledDataModule(
        ...     DigitsDataModule(), labels_per_class=10, augmentation=SmallMotion(), batch_size=50
        ... )
        >>> data.setup("fit")
        >>> batch = next(iter(data.train_dataloader()))
        >>> data.num_instances, batch.views[0].shape
        (100, torch.Size([50, 1, 16, 16]))
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
        check(
            label_fraction, "label_fraction", above=0, at_most=1, optional=True, why="1 % is 0.01"
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
        """Choose among the labeled images.

        Raises:
            ValueError: If no image has a label.
        """
        splits = self.data.splits
        source = labeled(splits.label_source)
        if len(source) == 0:
            raise ValueError(
                f"{type(self.data).__name__} has no labeled training images to evaluate with. "
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

    @property
    def train_batch_size(self) -> int:
        """Training images per batch and process; at most what there is."""
        _, world_size = rank_and_world_size(self.trainer)
        return max(1, min(self.batch_size, self.num_instances // world_size))
