"""Probes: scores of the representation on labeled images."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.distributed.collectives import all_sum
from metaug.lightning_modules.evaluation.classifier import data_num_classes
from metaug.lightning_modules.evaluation.labeled import Features, count_classes

from .evaluation_callback import EvaluationCallback
from .feature_store import FeatureStore


class Probe(EvaluationCallback):
    """Scores the representation on labeled images, with no side effects on training.

    The bank is what is learned from, the queries what is scored. Both are encoded in evaluation
    mode, once for all probes of a trainer. The queries are the images of the validation (test)
    loop, or of a loader of their own; then no validation loop is needed.

    Args:
        name: Name of the score in logs; `val/` becomes `test/` in a test.
        bank: Labeled images, a loader of `(image, target)` or `(image, target, index)`; the
            datamodule's `bank_dataloader()` if None.
        kwargs: `queries`, `every_n_epochs` and `representation` of `EvaluationCallback`.
    """

    def __init__(
        self,
        *,
        name: str,
        bank: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.bank = bank
        self.scores: dict[str, float] = {}
        self.epoch = self.step = -1
        self.conditions = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say at once what could never run."""
        super().setup(trainer, pl_module, stage)
        datamodule = getattr(trainer, "datamodule", None)
        has_bank = self.bank is not None or hasattr(datamodule, "bank_dataloader")
        if stage != "predict" and not has_bank and self.has_required_data(trainer):
            data = "loaders" if datamodule is None else type(datamodule).__name__
            raise ValueError(
                f"{self.name} has nothing to learn from: {data} gives no bank_dataloader(); pass "
                "bank=, a DataLoader of labeled training images (image, target)"
            )

    @property
    def title(self) -> str:
        """The name of the score."""
        return self.name

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
            bank: This process's labeled bank features.
            queries: This process's labeled query features.
            num_classes: Number of classes over all processes.
            fresh: Neither use nor keep anything learned in earlier evaluations.
        """

    @abstractmethod
    def settings(self, bank_size: int) -> str:
        """What the score depends on, printed beside it."""

    def score(
        self, trainer: pl.Trainer, bank: Features, queries: Features, *, fresh: bool = False
    ) -> dict[str, float]:
        """Measure, or warn once and return nothing where there is nothing to measure."""
        bank, queries = bank.labeled(), queries.labeled()
        device = bank.value.device
        finite = bool(bank.value.isfinite().all() and queries.value.isfinite().all())
        sizes = all_sum(
            torch.tensor([len(bank.value), len(queries.value), not finite], device=device)
        )
        if not bool(sizes[:2].all()):
            self.warn_once(
                f"{self.name} is skipped: {int(sizes[0])} labeled images in the bank and "
                f"{int(sizes[1])} labeled queries."
            )
            return {}
        if bool(sizes[2]):
            self.warn_once(f"{self.name} is skipped: the representation has non-finite values.")
            return {}
        scores = self.measure(bank, queries, count_classes(bank, queries), fresh=fresh)
        if not fresh:
            self.bank_size, self.query_size = int(sizes[0]), int(sizes[1])
        return scores

    def has_required_data(self, trainer: pl.Trainer) -> bool:
        """Whether there are labels to learn from."""
        return self.bank is not None or data_num_classes(trainer) != 0

    def should_evaluate(self, trainer: pl.Trainer) -> bool:
        """Whether to evaluate in the present loop; unlabeled data is skipped with one warning."""
        if not super().should_evaluate(trainer):
            return False
        if not self.has_required_data(trainer):
            self.warn_once(f"{self.name} is skipped: the data has no labels.")
            return False
        return True

    def bank_loader(self, trainer: pl.Trainer) -> Iterable[Any]:
        """The loader of what is learned from."""
        return self.bank if self.bank is not None else FeatureStore.of(trainer).bank_loader(trainer)

    def evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Encode what is not encoded yet, score, log and print."""
        store = self.store(trainer)
        queries = self.query_features(trainer, pl_module)
        bank = store.extracted(trainer, pl_module, self.bank_loader(trainer))
        scores = self.score(trainer, bank, queries)
        if not scores:
            return
        if trainer.testing:
            scores = {name.replace("val/", "test/", 1): value for name, value in scores.items()}
        self.scores, self.epoch = scores, trainer.current_epoch
        self.step = trainer.global_step
        for position, (name, value) in enumerate(scores.items()):
            pl_module.log(
                name,
                value,
                prog_bar=position == 0,
                sync_dist=True,
                add_dataloader_idx=False,
                batch_size=1,
            )
        settings = self.settings(self.bank_size)
        self.conditions = f"{self.representation.words}{settings}, queries {self.query_size}"
        pl_module.print(f"epoch {trainer.current_epoch}: {self.shown(scores, self.conditions)}")

    def shown(self, scores: dict[str, float], conditions: str) -> str:
        """The scores as they are printed, with what they depend on.

        Args:
            scores: Values in [0, 1] by name.
            conditions: Settings, sizes of bank and queries.
        """
        values = ", ".join(f"{name} {100 * value:.2f} %" for name, value in scores.items())
        return f"{values} ({conditions})"

    def state_dict(self) -> dict[str, Any]:
        """The latest scores, and what they depend on."""
        conditions = {"conditions": self.conditions} if self.conditions else {}
        latest = {"scores": dict(self.scores), "epoch": self.epoch, "step": self.step}
        return latest | conditions

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the latest scores."""
        self.scores, self.epoch = dict(state_dict["scores"]), state_dict["epoch"]
        self.step = state_dict.get("step", -1)
        self.conditions = state_dict.get("conditions", "")


def accuracy(correct: torch.Tensor) -> float:
    """Share of True over all processes, from each process's own `[Q]`."""
    counts = torch.stack([correct.sum(), torch.tensor(len(correct), device=correct.device)])
    hits, total = all_sum(counts).tolist()
    return hits / total if total else math.nan
