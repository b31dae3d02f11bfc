"""The base of all data modules: several random views for training, one clean image for probes."""

import warnings
from typing import Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader

from .loading.batch import ImageBatch, IndexBatch, LabelledBatch, MultiViewBatch
from .loading.dataset import EvaluationDataset
from .loading.device import (
    AugmentOn,
    ViewsOnDevice,
    check_augment_on,
    evaluates_on_device,
)
from .loading.encoded import EncodedBatch
from .loading.examples import example_views
from .loading.process import evaluation_loader, rank_and_world_size, train_loader
from .loading.resume import EpochPosition
from .sources.image_source import ImageSource, SubsetSource
from .sources.label_subsets import few_per_class
from .sources.splits import Splits, hold_out
from .transforms.ranges import check, check_choice, check_normalization, check_seed, check_size
from .views.any_channel_views import AnyChannelViews
from .views.base import Views
from .views.simclr_views import SimCLRViews

PredictSplit = Literal["train", "val", "test", "all"]


class MultiViewDataModule(pl.LightningDataModule):
    """Random views of a data set for training, and its clean images for probes.

    A data set is a subclass that says what its `load` gives.

    Args:
        views: Makes the random views; null takes the recipe of the data set.
        image_size: Edge of views and evaluation images in pixels.
        image_channels: 3 for RGB, 1 for gray, or any other number.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
        batch_size: Training images per batch and process; each gives `num_views` views.
        eval_batch_size: Images per evaluation batch and process.
        num_workers: Processes that read and augment; null takes none for images in memory, else
            one per CPU up to 8, shared among the processes of a run. It never changes what is seen.
        labels_per_class: Labeled images per class in the bank of the probes, chosen by `seed`;
            null for all.
        val_fraction: Part of the labeled training images of every class to validate on; 0
            validates on the data set's own split.
        augment_on: `workers` augments where the images are read; `device` on the model's device.
            Images of one size in memory are kept on a GPU if they take a quarter of its free memory
            at most, else sent as they are; of image files the JPEGs are decoded there. `auto` is
            `device` for images in memory when the model is on an accelerator, else `workers`. The
            views are the same either way, to rounding.
        predict_split: Whose images `predict` takes: `train`, `val`, `test`, or `all` once each, in
            the order of the data set. Null takes a test split of its own, else a validation split
            of its own, else all.
        seed: Seed of order, views, and choices of images.

    Examples:
        >>> import torch
        >>> from metaug.datamodules import InMemorySource, MultiViewDataModule, Splits
        >>> class Black(MultiViewDataModule):
        ...     def load(self):
        ...         images, target = torch.zeros(8, 3, 16, 16).byte(), torch.arange(8) % 2
        ...         return Splits(train=InMemorySource(images, target, ["even", "odd"]))
        >>> data = Black(image_size=16, batch_size=4, val_fraction=0.5)
        >>> data.setup("fit")
        >>> [view.shape for view in next(iter(data.train_dataloader())).views]
        [torch.Size([4, 3, 16, 16]), torch.Size([4, 3, 16, 16])]
        >>> next(iter(data.val_dataloader())).target.tolist()
        [0, 1, 0, 1]
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    gray_mean: float = 0.449
    gray_std: float = 0.226

    def __init__(
        self,
        *,
        views: Views | None = None,
        image_size: int = 224,
        image_channels: int = 3,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        batch_size: int = 128,
        eval_batch_size: int = 256,
        num_workers: int | None = None,
        labels_per_class: int | None = None,
        val_fraction: float = 0.0,
        augment_on: AugmentOn = "auto",
        predict_split: PredictSplit | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_size(image_size, "image_size")
        check(image_channels, "image_channels", at_least=1, whole=True)
        check_normalization(mean, std, channels=image_channels)
        negatives = "a contrastive batch needs other images as negatives"
        check(batch_size, "batch_size", at_least=2, whole=True, why=negatives)
        check(eval_batch_size, "eval_batch_size", at_least=1, whole=True)
        check(num_workers, "num_workers", at_least=0, at_most=1024, whole=True, optional=True)
        check(labels_per_class, "labels_per_class", at_least=1, whole=True, optional=True)
        check(val_fraction, "val_fraction", at_least=0, below=1)
        check_choice(predict_split, "predict_split", [None, "train", "val", "test", "all"])
        check_seed(seed)
        if views is None:
            in_colors = image_channels in (1, 3)
            views = self.default_views(image_size) if in_colors else AnyChannelViews()
        check_augment_on(augment_on, views)
        gray = image_channels == 1
        self.views = views.bind(
            size=image_size,
            mean=((self.gray_mean,) if gray else self.mean) if mean is None else mean,
            std=((self.gray_std,) if gray else self.std) if std is None else std,
            channels=image_channels,
        )
        self.image_size = image_size
        self.image_channels = image_channels
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.labels_per_class = labels_per_class
        self.val_fraction = val_fraction
        self.augment_on: AugmentOn = augment_on
        self.predict_split: PredictSplit | None = predict_split
        self.seed = seed
        self._splits: Splits | None = None
        self._position = EpochPosition()
        self._on_device = ViewsOnDevice()

    def default_views(self, image_size: int) -> Views:
        """The recipe of this data set: SimCLR's, up to 64 pixels that for small images."""
        if image_size <= 64:
            return SimCLRViews()
        return SimCLRViews(strength=1.0, blur=0.5, crop_scale=(0.08, 1.0))

    def load(self) -> Splits:
        """Open the data set; called once in every process."""
        raise NotImplementedError(f"{type(self).__name__} must say in `load` what its data are.")

    @property
    def splits(self) -> Splits:
        """The parts of the data set, opened on first use."""
        if self._splits is None:
            splits = self.load()
            if self.val_fraction > 0:
                splits = hold_out(splits, self.val_fraction, seed=self.seed)
            splits.check_channels(self.image_channels)
            self._splits = splits
        return self._splits

    @property
    def train_batch_size(self) -> int:
        """Training images per batch and process."""
        return self.batch_size

    @property
    def num_views(self) -> int:
        """Views per training image."""
        return self.views.num_views

    @property
    def num_instances(self) -> int:
        """Training images."""
        return len(self.splits.train)

    @property
    def class_names(self) -> list[str]:
        """Name of every class; empty when nothing is labeled."""
        return self.splits.label_source.class_names

    @property
    def num_classes(self) -> int:
        """Classes; 0 when nothing is labeled."""
        return len(self.class_names)

    @property
    def skipped_images(self) -> list[str]:
        """Names of the images that were found unreadable so far (`on_error: skip`)."""
        return self.splits.unreadable_names()

    def setup(self, stage: str | None = None) -> None:
        """Open the data set."""
        if len(self.splits.train) == 0:
            raise ValueError(f"{type(self).__name__} has no training images.")

    def teardown(self, stage: str | None = None) -> None:
        """Let go of images on the device, and say which were skipped."""
        self._on_device.release()
        if self._splits is None or not (skipped := self.skipped_images):
            return
        listed = "".join(f"\n  {name}" for name in skipped[:20])
        more = f"\n  and {len(skipped) - 20} more" if len(skipped) > 20 else ""
        warnings.warn(f"Skipped {len(skipped)} unreadable image(s):{listed}{more}", stacklevel=2)

    def train_dataloader(self) -> DataLoader:
        """Batches of random views (`MultiViewBatch`), in a new order every epoch.

        When augmentation runs on the device the loader itself gives raw images (`ImageBatch`),
        their indices where they lie on the device (`IndexBatch`), or files (`EncodedBatch`): in a
        loop of your own, hand each batch, moved to the device, to `on_after_batch_transfer`.
        """
        source = self.splits.train
        return train_loader(
            self._on_device.training_set(
                self.augment_on, source, self.views, self.trainer, self.seed
            ),
            batch_size=self.train_batch_size,
            num_workers=self.num_workers,
            trainer=self.trainer,
            position=lambda: self._position.batches_to_skip(self.trainer),
        )

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean images for probes while training (`LabelledBatch`); an empty list if none."""
        return self._optional_loader(self.splits.val)

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean test images (`LabelledBatch`); an empty list if there are none."""
        return self._optional_loader(self.splits.test)

    def predict_dataloader(self) -> DataLoader:
        """Clean images of `predict_split`; says which."""
        split, source = self.splits.to_predict(self.predict_split)
        say = rank_zero_only(print)
        say(f"predicting on {len(source)} images ({split}); predict_split chooses others")
        return self.evaluation_loader(source)

    def bank_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean labeled training images (`LabelledBatch`), `labels_per_class` of each class.

        The reported index is that of the image among the training images. An empty list if nothing
        is labeled.
        """
        source = self.splits.label_source
        if self.labels_per_class is None:
            chosen = (source.targets >= 0).nonzero()[:, 0].tolist()
        else:
            chosen = few_per_class(source.targets, self.labels_per_class, seed=self.seed)
        if not chosen:
            return []
        return self.evaluation_loader(SubsetSource(source, chosen), index=torch.tensor(chosen))

    def evaluation_loader(self, source: ImageSource, *, index: Tensor | None = None) -> DataLoader:
        """A loader over clean images, each exactly once over all processes.

        Args:
            source: The images.
            index: Index to report for every image `[N]`; default: its index in the source.
        """
        size, views = self.image_size, self.views
        raw = evaluates_on_device(self.augment_on, source, views, size, self.trainer)
        return evaluation_loader(
            EvaluationDataset(source, views, size, index=index, raw=raw),
            batch_size=self.eval_batch_size,
            num_workers=self.num_workers,
            trainer=self.trainer,
            seed=self.seed,
        )

    def example_views(self, count: int) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Evenly spaced training images and their views in epoch 0, as pictures.

        Args:
            count: How many images.

        Returns:
            The images `[C, size, size]` in [0, 1], and for each the list of its views.
        """
        return example_views(
            self.splits.train, self.views, count, size=self.image_size, seed=self.seed
        )

    def _optional_loader(self, source: ImageSource | None) -> DataLoader | list[DataLoader]:
        return self.evaluation_loader(source) if source else []

    def on_after_batch_transfer(
        self,
        batch: ImageBatch | IndexBatch | EncodedBatch | MultiViewBatch | LabelledBatch,
        dataloader_idx: int,
    ) -> MultiViewBatch | LabelledBatch:
        """Make the views of raw images (`augment_on: device`); other batches stay as they are."""
        return self._on_device.make(batch, self.views)

    def state_dict(self) -> dict[str, int]:
        """What the order of images depends on, for the checkpoint."""
        _, world_size = rank_and_world_size(self.trainer)
        return {"seed": self.seed, "global_batch_size": self.train_batch_size * world_size}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on where Lightning's loop does; warn if the order of images is another."""
        if self.trainer is not None and self.trainer.state.fn == "fit":
            self._position.restore(state_dict, self.state_dict())
