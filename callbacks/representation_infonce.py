"""A score of the representation that needs no labels."""

from typing import Any

import pytorch_lightning as pl
import torch
from metaug.datamodules.loading.process import count_workers
from metaug.datamodules.sources.dataset_source import DatasetSource
from metaug.datamodules.sources.image_source import ImageSource
from metaug.datamodules.sources.splits import Splits
from metaug.datamodules.views.base import Views
from metaug.lightning_modules.evaluation.features import encode_batch, evaluation, pool
from metaug.lightning_modules.evaluation.labeled import Features

from .probing.evaluation_callback import EvaluationCallback
from .probing.representation import Represented
from .probing.representation_metrics import two_view_infonce
from .probing.view_pairs import ViewPairs, read_view_pairs

_GIVE = "give images=, a data set or a source of images"


class RepresentationInfoNCE(EvaluationCallback):
    """Logs InfoNCE of the representation of held-out images: the lower the better, no labels used.

    Of each validation image two views are encoded; each is to tell the other from the views of all
    other images (NT-Xent; van den Oord et al., 2018; Chen et al., ICML 2020). It is of the
    backbone's representation that probes use, not of the projection that is trained on, so that it
    is no training loss. The views are a fixed function of image and `seed`: values of all epochs,
    runs and methods compare that are of the same images, views, `max_images` and temperature.

    Of MetAug's data modules it takes the images of `splits.val` (`splits.test` in a test, logged as
    `test/...`) and their `views`, the first two. Anywhere else give both.

    Args:
        temperature: T of cosine similarities.
        max_images: Most images compared, evenly spaced over the data set.
        images: The images: a source, or any data set whose items are images or begin with one.
            Null takes the data module's.
        views: Makes the views; null takes the data module's.
        seed: Seed of the views.
        name: Name of the score in logs; `val/` becomes `test/` in a test.
        representation: As of every probe.
        every_n_epochs: Epochs between evaluations; the last epoch is always evaluated.

    Examples:
        >>> score = RepresentationInfoNCE(max_images=500, every_n_epochs=5)
        >>> score.name
        'val/representation_infonce'
        >>> from pytorch_lightning.callbacks import ModelCheckpoint
        >>> best = ModelCheckpoint(monitor=score.name, mode="min")
    """

    def __init__(
        self,
        temperature: float = 0.05,
        max_images: int = 2000,
        images: Any = None,
        views: Views | None = None,
        seed: int = 0,
        name: str = "val/representation_infonce",
        representation: Represented = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(  # not of the loop's images
            queries=(), every_n_epochs=every_n_epochs, representation=representation
        )
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}, but it must be above 0")
        if max_images < 2:
            raise ValueError(f"max_images={max_images}, but it must be 2 or above")
        self.temperature = temperature
        self.max_images = max_images
        self.images = images
        self.views = views
        self.seed = seed
        self.name = name
        self.scores: dict[str, float] = {}

    @property
    def title(self) -> str:
        """The name of the score."""
        return self.name

    @property
    def state_key(self) -> str:
        """Two of this kind are told apart by name."""
        return self._generate_state_key(name=self.name)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say at once what could never run."""
        self.representation.of(pl_module)
        if stage != "predict":
            self.view_pairs(trainer, testing=stage == "test")

    def view_pairs(self, trainer: pl.Trainer, *, testing: bool) -> ViewPairs | None:
        """The images and their views; None, with a warning, where there are none to compare.

        Args:
            trainer: Knows the data module.
            testing: Whether test images are asked for.
        """
        data: Any = getattr(trainer, "datamodule", None)
        known = isinstance(getattr(data, "splits", None), Splits)
        views = self.views if self.views is not None or not known else data.views
        if views is None or not (known or self.images is not None):
            whose = "loaders do" if data is None else f"{type(data).__name__} does"
            self.warn_once(
                f"{self.name} will not run: {whose} not tell images and views; {_GIVE}, and "
                "views=, such as SimCLRViews(size=32)."
            )
            return None
        if known:
            mine = data.views
            views = views.bind(size=data.image_size, mean=mine.mean, std=mine.std)
        source = self._source(data if known else None, views, testing)
        if not source:
            split = "test" if testing else "validation"
            self.warn_once(
                f"{self.name} will not run: the data has no {split} images. Give it a {split} "
                f"split (a folder's own may be without labels), or {_GIVE}."
            )
            return None
        pairs = ViewPairs(source, views, seed=self.seed)
        problem = pairs.problem()
        if problem is not None:
            self.warn_once(
                f"{self.name} will not run: {problem}. Give views= that make two views which the "
                "representation can be taken of, such as SimCLRViews(), or "
                "ColorSpaceViews(channels=[[0, 1, 2], [0, 1, 2]], crop='own')."
            )
            return None
        return pairs

    def _source(self, data: Any, views: Views, testing: bool) -> ImageSource | None:
        if self.images is None:
            return data.splits.test if testing else data.splits.val
        if hasattr(self.images, "read"):
            return self.images
        no_labels = [-1] * len(self.images)
        return DatasetSource(self.images, labels=no_labels, channels=len(views.mean or "RGB"))

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Encode both views, score, log and print."""
        pairs = self.view_pairs(trainer, testing=trainer.testing)
        if pairs is None:
            return
        features = self._encode(trainer, pl_module, pairs)
        first, second = features.value.chunk(2, dim=1)
        if len(first) < 2 or not bool(features.value.isfinite().all()):
            self.warn_once(f"{self.name} is skipped: {len(first)} images, or not finite.")
            return
        value = float(two_view_infonce(first, second, self.temperature))
        name = self.name.replace("val/", "test/", 1) if trainer.testing else self.name
        self.scores = {name: value}
        pl_module.log(name, value, sync_dist=True, add_dataloader_idx=False, batch_size=1)
        pl_module.print(
            f"epoch {trainer.current_epoch}: {name} {value:.4f} "
            f"({self.representation.words}T={self.temperature:g}, {len(first)} images)"
        )

    def _encode(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, pairs: ViewPairs
    ) -> Features:
        """Both views of the images of all processes side by side, `[N, 2 F]`."""
        data: Any = getattr(trainer, "datamodule", None)
        workers = getattr(data, "num_workers", None)
        device = trainer.strategy.root_device
        parts = []
        with evaluation(trainer, pl_module):
            encode = self.representation.of(pl_module)
            for pair in read_view_pairs(
                pairs,
                self.max_images,
                batch_size=max(1, getattr(data, "eval_batch_size", 256) // 2),
                num_workers=count_workers(pairs.source, trainer) if workers is None else workers,
                device=device,
            ):
                both = encode_batch(trainer, encode, torch.cat([pair.first, pair.second])).value
                value = torch.cat(both.chunk(2), dim=1)
                parts.append(Features(value, torch.full_like(pair.index, -1), pair.index))
        return pool(parts, device).gathered(device)
