"""The base of all data modules: several random views for training, one clean image for probes."""

import os
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

from .loading.batch import ImageBatch, LabelledBatch, MultiViewBatch
from .loading.dataset import EvaluationDataset, MultiViewDataset, keep
from .loading.samplers import EvaluationSampler, TrainSampler
from .loading.train_loader import TrainLoader
from .sources.image_source import ImageSource, SubsetSource
from .sources.label_subsets import few_per_class, split_fraction
from .transforms.seeding import sample_seeds
from .views.base import Views
from .views.simclr_views import SimCLRViews


@dataclass
class Splits:
    """The parts of a data set.

    Attributes:
        train: What is trained on, labelled or not.
        bank: Labelled training images for probes; None takes the labelled ones of `train`.
        val: Labelled images on which probes are scored while training; may be absent.
        test: Labelled images for the last score; may be absent.
    """

    train: ImageSource
    bank: ImageSource | None = None
    val: ImageSource | None = None
    test: ImageSource | None = None


class MultiViewDataModule(pl.LightningDataModule):
    """Random views of a data set for training, and its clean images for probes.

    A data set is a subclass that says what its `load` gives.

    Args:
        views: Makes the random views; null takes the recipe of the data set.
        image_size: Edge of views and evaluation images in pixels.
        image_channels: 3 for RGB, 1 for gray.
        mean: Mean of every channel, on images in [0, 1]; null takes the data set's.
        std: Standard deviation of every channel; null takes the data set's.
        batch_size: Training images per batch and process; each gives `num_views` views.
        eval_batch_size: Images per evaluation batch and process.
        num_workers: Processes that read and augment; null takes none for images in memory, else
            one per CPU up to 8, shared among the processes of a run. It never changes what is seen.
        labels_per_class: Labelled images per class in the bank of the probes, chosen by `seed`;
            null for all.
        val_fraction: Part of the training images of every class to validate on; 0 validates on
            the data set's own split.
        augment_on: `workers` augments where the images are read; `device` sends raw images to the
            model's device and augments there, which needs images in memory. `auto` is `device` for
            images in memory when the model is on an accelerator, else `workers`. The views are the
            same either way, to rounding.
        seed: Seed of order, views, and choices of images.
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
        augment_on: Literal["auto", "workers", "device"] = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 2:
            raise ValueError(
                f"batch_size={batch_size}, but a contrastive batch needs other images as "
                "negatives: set batch_size to 2 or more."
            )
        if eval_batch_size < 1:
            raise ValueError(f"eval_batch_size={eval_batch_size}, but it must be 1 or more.")
        if labels_per_class is not None and labels_per_class < 1:
            raise ValueError(
                f"labels_per_class={labels_per_class}, but it must be 1 or more (null for all)."
            )
        if not 0.0 <= val_fraction < 1.0:
            raise ValueError(f"val_fraction={val_fraction}, but it must lie in [0, 1).")
        if augment_on not in ("auto", "workers", "device"):
            raise ValueError(
                f"augment_on={augment_on!r}, but it must be 'auto', 'workers' or 'device'."
            )
        views = self.default_views(image_size) if views is None else views
        if augment_on == "device" and not views.in_batches:
            raise ValueError(
                f"augment_on='device' needs views that work on batches, but {type(views).__name__} "
                "works on one image at a time: set augment_on to 'workers'."
            )
        gray = image_channels == 1
        self.views = views.bind(
            size=image_size,
            mean=mean or ((self.gray_mean,) if gray else self.mean),
            std=std or ((self.gray_std,) if gray else self.std),
        )
        self.image_size = image_size
        self.image_channels = image_channels
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self.labels_per_class = labels_per_class
        self.val_fraction = val_fraction
        self.augment_on = augment_on
        self.seed = seed
        self._splits: Splits | None = None
        self._resumed = False

    def default_views(self, image_size: int) -> Views:
        """The recipe of this data set: SimCLR's, up to 64 pixels that for small images."""
        if image_size <= 64:
            return SimCLRViews()
        return SimCLRViews(strength=1.0, blur=0.5, crop_scale=(0.08, 1.0))

    def load(self) -> Splits:
        """Open the data set; called once in every process."""
        raise NotImplementedError(f"{type(self).__name__} must say in `load` what its data are.")

    # ---------------------------------------------------------------------------------- what it is

    @property
    def splits(self) -> Splits:
        """The parts of the data set, opened on first use."""
        if self._splits is None:
            splits = self.load()
            if self.val_fraction > 0:
                if not (splits.train.targets >= 0).any():
                    raise ValueError(
                        f"val_fraction={self.val_fraction} would hold out training images for "
                        "probes, but none of them has a label. Set it to 0."
                    )
                kept, held_out = split_fraction(
                    splits.train.targets, self.val_fraction, seed=self.seed
                )
                whole = splits.train
                splits.train, splits.val = SubsetSource(whole, kept), SubsetSource(whole, held_out)
            self._splits = splits
        return self._splits

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
        """Name of every class; empty when nothing is labelled."""
        bank = self.splits.bank or self.splits.train
        return bank.class_names

    @property
    def num_classes(self) -> int:
        """Classes; 0 when nothing is labelled."""
        return len(self.class_names)

    @property
    def skipped_images(self) -> list[str]:
        """Names of the images that were found unreadable so far (`on_error: skip`)."""
        names = []
        for split in (self.splits.train, self.splits.bank, self.splits.val, self.splits.test):
            if split is not None and split.unreadable is not None:
                names += [split.name(i) for i in split.unreadable.nonzero()[:, 0].tolist()]
        return list(dict.fromkeys(names))

    def setup(self, stage: str | None = None) -> None:
        """Open the data set."""
        if len(self.splits.train) == 0:
            raise ValueError(f"{type(self).__name__} has no training images.")

    def teardown(self, stage: str | None = None) -> None:
        """Say which images were skipped."""
        if self._splits is None or not (skipped := self.skipped_images):
            return
        listed = "".join(f"\n  {name}" for name in skipped[:20])
        more = f"\n  and {len(skipped) - 20} more" if len(skipped) > 20 else ""
        warnings.warn(f"Skipped {len(skipped)} unreadable image(s):{listed}{more}", stacklevel=2)

    # ------------------------------------------------------------------------------------- loaders

    def train_dataloader(self) -> DataLoader:
        """Batches of random views (`MultiViewBatch`), in a new order every epoch.

        When augmentation runs on the device the loader itself gives raw images (`ImageBatch`), and
        `on_after_batch_transfer` makes the views.
        """
        source = self.splits.train
        dataset = MultiViewDataset(
            source, self.views, seed=self.seed, raw=self._augments_on_device()
        )
        rank, world_size = self._place()
        sampler = TrainSampler(
            dataset,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
        )
        workers = self._workers(source)
        return TrainLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=True,
            position=self._position_after_resume,
            persistent_workers=workers > 0,
            **self._loader_arguments(workers),
        )

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean images for probes while training (`LabelledBatch`); an empty list if none."""
        return self._optional_loader(self.splits.val)

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean test images (`LabelledBatch`); an empty list if there are none."""
        return self._optional_loader(self.splits.test)

    def predict_dataloader(self) -> DataLoader:
        """Clean images of the test split, else of the validation split, else all of training."""
        return self.evaluation_loader(self.splits.test or self.splits.val or self.splits.train)

    def bank_dataloader(self) -> DataLoader | list[DataLoader]:
        """Clean labelled training images (`LabelledBatch`), `labels_per_class` of each class.

        The reported index is that of the image among the training images. An empty list if nothing
        is labelled.
        """
        source = self.splits.bank or self.splits.train
        index = (source.targets >= 0).nonzero()[:, 0]
        if self.labels_per_class is not None:
            index = torch.tensor(
                few_per_class(source.targets, self.labels_per_class, seed=self.seed),
                dtype=torch.int64,
            )
        if len(index) == 0:
            return []
        return self.evaluation_loader(SubsetSource(source, index.tolist()), index=index)

    def evaluation_loader(self, source: ImageSource, *, index: Tensor | None = None) -> DataLoader:
        """A loader over clean images, each exactly once over all processes.

        Args:
            source: The images.
            index: Index to report for every image `[N]`; default: its place in the source.
        """
        dataset = EvaluationDataset(source, self.views, self.image_size, index=index)
        rank, world_size = self._place()
        return DataLoader(
            dataset,
            batch_size=self.eval_batch_size,
            sampler=EvaluationSampler(dataset, rank=rank, world_size=world_size),
            **self._loader_arguments(self._workers(source)),
        )

    def example_views(self, count: int) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Training images and their views in epoch 0, as pictures.

        Args:
            count: How many images, spread over the training set.

        Returns:
            The images `[C, size, size]` in [0, 1], and for each the list of its views.
        """
        source = self.splits.train
        count = min(count, len(source))
        index = torch.arange(count) * len(source) // max(count, 1)
        images = source.read(index.tolist())
        batch = self.views(images, sample_seeds(self.seed, 0, index))
        clean = EvaluationDataset(source, self.views, self.image_size)
        originals = [clean.picture(i) for i in index.tolist()]
        pictures = [
            [self.views.show(view[i], number) for number, view in enumerate(batch)]
            for i in range(count)
        ]
        return originals, pictures

    def _augments_on_device(self) -> bool:
        uniform = self.splits.train.uniform
        if self.augment_on == "auto":
            device = "cpu" if self.trainer is None else self.trainer.strategy.root_device.type
            return device != "cpu" and uniform and self.views.in_batches
        if self.augment_on == "device" and not uniform:
            raise ValueError(
                "augment_on='device' needs images of one size in memory: set in_memory to true, or "
                "augment_on to 'workers'."
            )
        return self.augment_on == "device"

    def _optional_loader(self, source: ImageSource | None) -> DataLoader | list[DataLoader]:
        if source is None or len(source) == 0:
            # Lightning doubts that this is meant
            warnings.filterwarnings("ignore", message="Total length of `list` across ranks is zero")
            return []
        return self.evaluation_loader(source)

    def _loader_arguments(self, workers: int) -> dict[str, Any]:
        return {
            "num_workers": workers,
            "collate_fn": keep,
            "pin_memory": torch.cuda.is_available(),
            # a generator of its own, so that loaders leave the global random state alone
            "generator": torch.Generator().manual_seed(self.seed),
        }

    def _workers(self, source: ImageSource) -> int:
        if self.num_workers is not None:
            workers = self.num_workers
        elif source.uniform:
            workers = 0
        else:
            cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
            processes = 1 if self.trainer is None else self.trainer.num_devices
            workers = min(8, max(1, cpus // processes))
        if workers < 2 and source.uniform:
            # Lightning asks for more workers; images in memory need none
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        return workers

    def _place(self) -> tuple[int, int]:
        """Number of this process, and of processes."""
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if dist.is_available() and dist.is_initialized():
            return dist.get_rank(), dist.get_world_size()
        return 0, 1

    # --------------------------------------------------------------------------- on the device

    def on_after_batch_transfer(
        self, batch: ImageBatch | MultiViewBatch | LabelledBatch, dataloader_idx: int
    ) -> MultiViewBatch | LabelledBatch:
        """Make the views of raw images (`augment_on: device`); other batches stay as they are."""
        if isinstance(batch, ImageBatch):
            with torch.no_grad():
                views = self.views(batch.image, batch.seed)
            return MultiViewBatch(views, batch.target, batch.index)
        return batch

    # -------------------------------------------------------------------------------- resuming

    def _batches_done(self) -> int:
        """Batches of the current epoch that are done."""
        if self.trainer is None:
            return 0
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def _position_after_resume(self) -> int:
        """Batches to skip: those done, in the first epoch after a resume; else none."""
        resumed, self._resumed = self._resumed, False
        return self._batches_done() if resumed else 0

    def state_dict(self) -> dict[str, int]:
        """Seed and position, for the checkpoint."""
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        return {
            "seed": self.seed,
            "epoch": epoch,
            "batches": self._batches_done(),
            "global_batch_size": self.batch_size * self._place()[1],
        }

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on at the position that Lightning's loop restores; check that the order is the same.

        Lightning hands the state of loaders on too, but only if they are made after it is read: a
        module that counts its steps in `configure_optimizers` has them made before.
        """
        if self.trainer is None or not self.trainer.state.fn == "fit":
            return
        self._resumed = True
        now = {"seed": self.seed, "global_batch_size": self.batch_size * self._place()[1]}
        for name, value in now.items():
            if state_dict.get(name, value) != value:
                warnings.warn(
                    f"The checkpoint was made with {name}={state_dict[name]}, this run has "
                    f"{name}={value}: the order of images starts anew instead of going on.",
                    stacklevel=2,
                )
