"""Linear probe of the representation."""

from typing import Any

from metaug.lightning_modules.evaluation.labeled import Features

from .probing.probe import Probe, accuracy
from .probing.softmax_regression import SoftmaxRegression


class LinearProbe(Probe):
    """Logs how well a linear head on the frozen representation names the class.

    Each evaluation solves for the head anew on the encoder as it is, starting from the last head;
    head and solver are in the checkpoint. The encoder gets no gradient and no step is counted.
    With more than five classes top-5 is logged too.

    Args:
        penalty: Weight of half the squared norm of the head against the summed cross entropy; 1 /
            C of scikit-learn's logistic regression.
        max_iterations: Most L-BFGS iterations of one evaluation.
        tolerance: An evaluation ends when no entry of the mean loss's gradient is larger.
        name: Name of the score in logs; top-5 is logged with `top1` replaced by `top5`.
        kwargs: `bank`, `queries`, `every_n_epochs` and `representation` of every probe.

    Examples:
        >>> probe = LinearProbe(penalty=2.0, name="val/linear_top1")
        >>> probe.settings(bank_size=1000)
        'penalty=2, bank 1000'
    """

    def __init__(
        self,
        penalty: float = 1.0,
        max_iterations: int = 300,
        tolerance: float = 1e-5,
        name: str = "val/linear_top1",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.penalty = penalty
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.head = self._fresh_head()

    def _fresh_head(self) -> SoftmaxRegression:
        return SoftmaxRegression(
            penalty=self.penalty, max_iterations=self.max_iterations, tolerance=self.tolerance
        )

    def measure(
        self, bank: Features, queries: Features, num_classes: int, *, fresh: bool = False
    ) -> dict[str, float]:
        """Top-1, and top-5 where it says something."""
        head = self._fresh_head() if fresh else self.head
        head.fit(bank.value, bank.target, num_classes)
        logits = head.logits(queries.value)
        scores = {self.name: accuracy(logits.argmax(1) == queries.target)}
        if num_classes > 5:
            best = logits.topk(5, dim=1).indices == queries.target[:, None]
            name = self.name.replace("top1", "top5")
            scores[name if name != self.name else f"{name}_top5"] = accuracy(best.any(1))
        return scores

    def settings(self, bank_size: int) -> str:
        """Penalty and bank size."""
        return f"penalty={self.penalty:g}, bank {bank_size}"

    def state_dict(self) -> dict[str, Any]:
        """Scores, head and solver."""
        return super().state_dict() | self.head.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the saved head."""
        super().load_state_dict(state_dict)
        self.head.load_state_dict(state_dict)
