"""When and on what a probe of the representation runs; what it measures is its subclass's part."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from .distributed import all_max, all_sum
from .feature_store import FeatureStore
from .features import Features


def due(trainer: pl.Trainer, every_n_epochs: int) -> bool:
    """Whether to evaluate now: every n epochs of a fit, after its last epoch, always outside a fit.

    Never in the sanity check.
    """
    if trainer.sanity_checking:
        return False
    if trainer.state.fn != TrainerFn.FITTING:
        return True
    done = trainer.current_epoch + 1
    return done % every_n_epochs == 0 or done == trainer.max_epochs


def unlabelled(trainer: pl.Trainer) -> bool:
    """Whether the datamodule says that it has no labels."""
    return getattr(getattr(trainer, "datamodule", None), "num_classes", None) == 0


class Probe(Callback):
    """Scores the representation on labelled images, without a trace in training.

    The bank is what is learned from, the queries what is scored. Both are encoded in evaluation
    mode, once for all probes of a trainer. The queries are the images of the validation (test)
    loop, or of a loader of their own; then no validation loop is needed.

    Args:
        name: name of the score in logs; `val/` becomes `test/` in a test.
        bank: labelled images, a loader of `(image, target)` or `(image, target, index)`; the
            datamodule's `bank_dataloader()` if None.
        queries: images to score, a loader of the same form; the validation loop's if None.
        every_n_epochs: epochs between evaluations; the last epoch is always evaluated.
    """

    def __init__(
        self,
        *,
        name: str,
        bank: Iterable[Any] | None = None,
        queries: Iterable[Any] | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs} must be 1 or above.")
        self.name = name
        self.bank = bank
        self.queries = queries
        self.every_n_epochs = every_n_epochs
        self.scores: dict[str, float] = {}
        self.epoch = -1
        self._warned: set[str] = set()

    @property
    def state_key(self) -> str:
        """Two probes of one kind are told apart by name."""
        return self._generate_state_key(name=self.name)

    @abstractmethod
    def measure(
        self, bank: Features, queries: Features, num_classes: int, *, fresh: bool = False
    ) -> dict[str, float]:
        """Scores in [0, 1] by name; the first is the main one.

        Args:
            bank: this process's labelled bank features.
            queries: this process's labelled query features.
            num_classes: number of classes over all processes.
            fresh: neither use nor keep anything learned in earlier evaluations.
        """

    @abstractmethod
    def settings(self, bank_size: int) -> str:
        """What the score depends on, printed beside it."""

    def score(
        self, trainer: pl.Trainer, bank: Features, queries: Features, *, fresh: bool = False
    ) -> dict[str, float]:
        """Measure, or warn once and return nothing where there is nothing to measure."""
        bank, queries = bank.labelled(), queries.labelled()
        device = bank.value.device
        finite = bool(bank.value.isfinite().all() and queries.value.isfinite().all())
        sizes = all_sum(
            torch.tensor([len(bank.value), len(queries.value), not finite], device=device)
        )
        if not bool(sizes[:2].all()):
            self.warn_once(
                f"{self.name} is skipped: {int(sizes[0])} labelled images in the bank and "
                f"{int(sizes[1])} labelled queries."
            )
            return {}
        if bool(sizes[2]):
            self.warn_once(f"{self.name} is skipped: the representation has non-finite values.")
            return {}
        scores = self.measure(bank, queries, count_classes(bank, queries), fresh=fresh)
        if not fresh:
            self.bank_size, self.query_size = int(sizes[0]), int(sizes[1])
        return scores

    def warn_once(self, message: str) -> None:
        """One warning of a kind, however many epochs follow."""
        if message not in self._warned:
            self._warned.add(message)
            rank_zero_warn(message)

    def runs_in_loop(self, trainer: pl.Trainer) -> bool:
        """Whether evaluations happen in the validation (test) loop, not after training epochs."""
        return trainer.state.fn != TrainerFn.FITTING or trainer.enable_validation

    def wanted(self, trainer: pl.Trainer) -> bool:
        """Whether to evaluate in the present loop; unlabelled data is skipped with one warning."""
        if not due(trainer, self.every_n_epochs):
            return False
        if self.bank is None and unlabelled(trainer):
            self.warn_once(f"{self.name} is skipped: the data has no labels.")
            return False
        return True

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Encode what is not encoded yet, score, log and print."""
        store = FeatureStore.of(trainer)
        if self.queries is None:
            queries = store.collected(pl_module)
        else:
            queries = store.extracted(trainer, pl_module, self.queries)
        loader = self.bank if self.bank is not None else store.bank_loader(trainer)
        bank = store.extracted(trainer, pl_module, loader)
        scores = self.score(trainer, bank, queries)
        if not scores:
            return
        if trainer.testing:
            scores = {name.replace("val/", "test/", 1): value for name, value in scores.items()}
        self.scores, self.epoch = scores, trainer.current_epoch
        for position, (name, value) in enumerate(scores.items()):
            pl_module.log(
                name, value, prog_bar=position == 0, sync_dist=True, add_dataloader_idx=False
            )
        shown = ", ".join(f"{name} {100 * value:.2f} %" for name, value in scores.items())
        pl_module.print(
            f"epoch {trainer.current_epoch}: {shown} "
            f"({self.settings(self.bank_size)}, queries {self.query_size})"
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say at once what could never run."""
        if stage == "fit" and self.queries is None and not trainer.enable_validation:
            self.warn_once(
                f"{self.name} never runs: there is no validation loop. Give the module a "
                "validation_step and a validation loader, or pass queries=."
            )

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with no features."""
        FeatureStore.of(trainer).clear()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Encode the batch, if no other probe did; only the first loader counts."""
        if self.queries is None and dataloader_idx == 0 and self.wanted(trainer):
            FeatureStore.of(trainer).collect(trainer, pl_module, batch, batch_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the images of the loop."""
        if self.wanted(trainer):
            self.evaluate(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Free the features."""
        FeatureStore.of(trainer).clear()

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end
    on_test_end = on_validation_end

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Free the features: the encoder is about to change."""
        FeatureStore.of(trainer).clear()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Without a validation loop, score the queries of a loader."""
        if self.queries is not None and not self.runs_in_loop(trainer) and self.wanted(trainer):
            self.evaluate(trainer, pl_module)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let go of loaders and features."""
        FeatureStore.drop(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The latest scores."""
        return {"scores": dict(self.scores), "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the latest scores."""
        self.scores, self.epoch = dict(state_dict["scores"]), state_dict["epoch"]


def count_classes(bank: Features, queries: Features) -> int:
    """Number of classes over all processes: one more than the largest label."""
    targets = torch.cat([bank.target, queries.target])
    largest = int(targets.max()) if len(targets) else -1
    return all_max(largest, targets.device) + 1


def accuracy(correct: torch.Tensor) -> float:
    """Share of True over all processes, from each process's own `[Q]`."""
    counts = torch.stack([correct.sum(), torch.tensor(len(correct), device=correct.device)])
    hits, total = all_sum(counts).tolist()
    return hits / total if total else math.nan
