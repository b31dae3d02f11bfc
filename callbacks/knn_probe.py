"""k-nearest-neighbor probe of the representation."""

from typing import Any

from metaug.lightning_modules.evaluation.labeled import Features

from .probing.knn import check_votes, knn_predict, warn_of_small_bank
from .probing.neighbors import Metric
from .probing.probe import Probe, accuracy


class KNNProbe(Probe):
    """Logs how often a vote of the nearest labeled training images names the right class.

    The search is exact, over the whole bank encoded in evaluation mode, on any number of processes.

    Args:
        k: Neighbors that vote; all of a smaller bank vote, with a warning.
        temperature: A neighbor with cosine s votes with weight exp(s / temperature).
        metric: "cosine", or "euclidean" whose votes weigh 1 / distance.
        name: Name of the score in logs.
        kwargs: `bank`, `queries`, `every_n_epochs` and `representation` of every probe.

    Examples:
        >>> probe = KNNProbe(k=20, every_n_epochs=5)
        >>> probe.settings(bank_size=1000)
        'k=20, T=0.1, cosine, bank 1000'
    """

    def __init__(
        self,
        k: int = 200,
        temperature: float = 0.1,
        metric: Metric = "cosine",
        name: str = "val/knn_top1",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
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
