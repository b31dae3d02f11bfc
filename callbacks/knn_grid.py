"""k-nearest-neighbor scores over a grid of k, temperature and metric."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from metaug.lightning_modules.evaluation.labeled import Features

from .probing.knn import check_votes, knn_predict_grid, warn_of_small_bank
from .probing.neighbors import Metric
from .probing.probe import Probe, accuracy


class Cell(NamedTuple):
    """One setting of the grid; the Euclidean vote has no temperature."""

    k: int
    metric: Metric
    temperature: float | None

    @property
    def vote(self) -> str:
        """Metric and temperature as they are printed."""
        return f"cosine T={self.temperature:g}" if self.temperature else self.metric

    @property
    def suffix(self) -> str:
        """What tells this setting's score from those of the others."""
        return (
            f"k{self.k}_T{self.temperature:g}" if self.temperature else f"k{self.k}_{self.metric}"
        )


class KNNGrid(Probe):
    """Scores what `KNNProbe` scores, for every k, temperature and metric, searching once a metric.

    Logs `<name>_k<k>_T<temperature>` for each cosine vote and `<name>_k<k>_euclidean` for each
    Euclidean one, whose votes weigh 1 / distance and have no temperature; prints them as a table.

    Args:
        k: Numbers of neighbors that vote; all of a smaller bank vote, with a warning.
        temperature: A neighbor with cosine s votes with weight exp(s / temperature).
        metric: "cosine", "euclidean" or both.
        name: What the names of the scores begin with.
        kwargs: `bank`, `queries`, `every_n_epochs` and `representation` of every probe.

    Examples:
        >>> grid = KNNGrid(k=[1, 20], temperature=[0.1], metric=["cosine"])
        >>> [cell.suffix for cell in grid.cells]
        ['k1_T0.1', 'k20_T0.1']
    """

    def __init__(
        self,
        k: Sequence[int] = (1, 5, 20, 200),
        temperature: Sequence[float] = (0.07, 0.1),
        metric: Sequence[Metric] = ("cosine", "euclidean"),
        name: str = "val/knn_top1",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        check_votes([(count, value) for count in k for value in (*temperature, 1.0)])
        self.cells: list[Cell] = []
        for kind in metric:
            if kind not in ("cosine", "euclidean"):
                raise ValueError(f"metric={kind!r} is not known; use 'cosine' or 'euclidean'")
            for value in temperature if kind == "cosine" else [None]:
                self.cells += [Cell(count, kind, value) for count in k]
        if not self.cells:
            raise ValueError(
                f"k={list(k)}, temperature={list(temperature)}, metric={list(metric)} make an "
                "empty grid; give at least one k, one metric and, for cosine, one temperature"
            )

    def measure(
        self, bank: Features, queries: Features, num_classes: int, *, fresh: bool = False
    ) -> dict[str, float]:
        """Top-1 of each vote."""
        warn_of_small_bank(self, bank, max(cell.k for cell in self.cells))
        scores: dict[Cell, float] = {}
        for metric in dict.fromkeys(cell.metric for cell in self.cells):
            cells = [cell for cell in self.cells if cell.metric == metric]
            votes = [(cell.k, cell.temperature or 1.0) for cell in cells]
            predictions = knn_predict_grid(queries.value, bank, num_classes, votes, metric=metric)
            for cell, predicted in zip(cells, predictions, strict=True):
                scores[cell] = accuracy(predicted == queries.target)
        return {f"{self.name}_{cell.suffix}": scores[cell] for cell in self.cells}

    def settings(self, bank_size: int) -> str:
        """The bank's size; all else stands in the table."""
        return f"bank {bank_size}"

    def shown(self, scores: dict[str, float], conditions: str) -> str:
        """A row for each vote, a column for each k."""
        columns = list(dict.fromkeys(cell.k for cell in self.cells))
        value = dict(
            zip(((cell.vote, cell.k) for cell in self.cells), scores.values(), strict=True)
        )
        width = max(len(cell.vote) for cell in self.cells)
        rows = [f"{'':{width}}" + "".join(f"{f'k={k}':>8}" for k in columns)]
        for vote in dict.fromkeys(cell.vote for cell in self.cells):
            percent = (f"{100 * value[vote, k]:8.2f}" for k in columns)
            rows.append(f"{vote:{width}}" + "".join(percent))
        return "\n".join([f"{self.name} in % ({conditions})", *rows])
