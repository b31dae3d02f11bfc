"""k-nearest-neighbour probe of the representation."""

from collections.abc import Iterable
from typing import Any

from metaug.lightning_modules.distributed.collectives import all_sum
from metaug.lightning_modules.evaluation.features import Features

from .probing.knn import check_votes, knn_predict
from .probing.neighbours import Metric
from .probing.probe import Probe, accuracy
from .probing.representation import Representation


def warn_of_small_bank(probe: Probe, bank: Features, k: int) -> None:
    """Warn once if the bank of all processes has fewer than k images.

    Args:
        probe: whose bank it is.
        bank: this process's bank.
        k: neighbours that vote.
    """
    size = int(all_sum(bank.target.new_tensor(len(bank.target))))
    if size < k:
        probe.warn_once(
            f"{probe.name}: k={k} is larger than the bank; all {size} of its images vote. "
            f"Set k to {size} or less."
        )


class KNNProbe(Probe):
    """Logs how often a vote of the nearest labelled training images names the right class.

    The search is exact, over the whole bank encoded in evaluation mode, on any number of processes.

    Args:
        k: neighbours that vote; a smaller bank votes as a whole, with a warning.
        temperature: a neighbour with cosine s votes with weight exp(s / temperature).
        metric: "cosine", or "euclidean" whose votes weigh 1 / distance.
        bank: labelled images, a loader of `(image, target)` or `(image, target, index)`; the
            datamodule's `bank_dataloader()` if None.
        queries: images to score, a loader of the same form; the validation loop's if None.
        every_n_epochs: epochs between evaluations; the last epoch is always evaluated.
        name: name of the score in logs.
        representation: what is scored of the module; its `forward` if None.
    """

    def __init__(
        self,
        k: int = 200,
        temperature: float = 0.1,
        metric: Metric = "cosine",
        bank: Iterable[Any] | None = None,
        queries: Iterable[Any] | None = None,
        every_n_epochs: int = 1,
        name: str = "val/knn_top1",
        representation: Representation | None = None,
    ) -> None:
        super().__init__(
            name=name,
            bank=bank,
            queries=queries,
            every_n_epochs=every_n_epochs,
            representation=representation,
        )
        check_votes([(k, temperature)])
        self.k = k
        self.temperature = temperature
        self.metric: Metric = metric

    def measure(
        self, bank: Features, queries: Features, num_classes: int, *, fresh: bool = False
    ) -> dict[str, float]:
        """Top-1 of the vote."""
        warn_of_small_bank(self, bank, self.k)
        predicted = knn_predict(
            queries.value,
            bank,
            num_classes,
            k=self.k,
            temperature=self.temperature,
            metric=self.metric,
        )
        return {self.name: accuracy(predicted == queries.target)}

    def settings(self, bank_size: int) -> str:
        """k, temperature, metric and bank size."""
        temperature = f", T={self.temperature:g}" if self.metric == "cosine" else ""
        return f"k={min(self.k, bank_size)}{temperature}, {self.metric}, bank {bank_size}"
