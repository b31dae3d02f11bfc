"""One evaluation's features, shared by the callbacks of a trainer: each image is encoded once."""

from collections.abc import Iterable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.evaluation.features import encode_batch, evaluation, extract, pool
from metaug.lightning_modules.evaluation.labeled import Features, read_batch
from metaug.lightning_modules.evaluation.loaders import sampler_indices

from .representation import Representation

Stores = dict[Representation, "FeatureStore"]


class FeatureStore:
    """Features of the evaluation in progress: of the batches of its loop and of other loaders.

    Args:
        representation: What the features are of the module.
    """

    _of_trainer: ClassVar["WeakKeyDictionary[pl.Trainer, Stores]"] = WeakKeyDictionary()

    def __init__(self, representation: Representation) -> None:
        self.representation = representation
        self._bank_loader: Iterable[Any] | None = None
        self.clear()

    @classmethod
    def of(
        cls,
        trainer: pl.Trainer,
        representation: Representation = Representation(),  # noqa: B008 - frozen
    ) -> "FeatureStore":
        """The store that all callbacks of `trainer` share that look at the same representation."""
        stores = cls._of_trainer.setdefault(trainer, {})
        return stores.setdefault(representation, cls(representation))

    @classmethod
    def drop(cls, trainer: pl.Trainer) -> None:
        """Let go of loaders and features when the trainer is done."""
        cls._of_trainer.pop(trainer, None)

    def clear(self) -> None:
        """Forget all features: the encoder is about to change, or the loop to start again."""
        self._parts: list[Features] = []
        self._batches: set[int] = set()
        self._known: list[int] | None = None
        self._seen = 0
        self._queries: Features | None = None
        self._extracted: dict[int, tuple[Iterable[Any], Features]] = {}

    def collect(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Encode a batch of the validation or test loop, unless another callback did already."""
        if batch_idx in self._batches:
            return
        if not self._batches:
            self._known = sampler_indices(loop_loader(trainer))
        self._batches.add(batch_idx)
        count = len(read_batch(batch).value)
        known = self._known
        index = None if known is None else torch.tensor(known[self._seen : self._seen + count])
        self._seen += count
        with evaluation(trainer, module):
            encode = self.representation.of(module)
            self._parts.append(encode_batch(trainer, encode, batch, index))

    def collected(self, trainer: pl.Trainer) -> Features:
        """Features of all batches of the loop so far."""
        if self._queries is None:
            self._queries = pool(self._parts, trainer.strategy.root_device)
        return self._queries

    def extracted(
        self, trainer: pl.Trainer, module: pl.LightningModule, loader: Iterable[Any]
    ) -> Features:
        """Features of all images of `loader`."""
        if id(loader) not in self._extracted:
            features = extract(trainer, module, loader, self.representation.of(module))
            self._extracted[id(loader)] = loader, features
        return self._extracted[id(loader)][1]

    def bank_loader(self, trainer: pl.Trainer) -> Iterable[Any]:
        """The datamodule's labeled bank, which a probe's setup saw; its loader is made once."""
        if self._bank_loader is None:
            datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]
            self._bank_loader = datamodule.bank_dataloader()
        return self._bank_loader


def loop_loader(trainer: pl.Trainer) -> Any:
    """The first loader of the validation (test) loop; None if it has none."""
    if trainer.training and trainer.enable_validation and trainer.val_dataloaders is None:
        trainer.validating = True  # Lightning has not come to it yet
        trainer.fit_loop.epoch_loop.val_loop.setup_data()
        trainer.training = True
    loader: Any = trainer.test_dataloaders if trainer.testing else trainer.val_dataloaders
    while isinstance(loader, list | tuple | dict):
        if not loader:
            return None
        loader = next(iter(loader.values())) if isinstance(loader, dict) else loader[0]
    return loader


def loop_has_batches(trainer: pl.Trainer) -> bool:
    """Whether the validation (test) loop has anything to read; one that cannot tell counts."""
    loader = loop_loader(trainer)
    if loader is None:
        return False
    try:
        return len(loader) > 0
    except TypeError:  # over an iterable
        return True
