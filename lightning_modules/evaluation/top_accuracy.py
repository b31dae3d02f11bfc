"""Top-1 and top-5 accuracy of several heads at once."""

import torch
from torch import Tensor
from torchmetrics import Metric


class TopAccuracy(Metric):
    """Accuracy and mean cross entropy of H heads over all images of all processes.

    Args:
        num_heads: H.
        num_classes: C; up to five classes have no top-5.
    """

    full_state_update = False

    def __init__(self, num_heads: int, num_classes: int) -> None:
        super().__init__()
        self.best = [1, 5] if num_classes > 5 else [1]
        self.add_state("hits", torch.zeros(len(self.best), num_heads), dist_reduce_fx="sum")
        self.add_state("loss", torch.zeros(num_heads), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")
        self.hits: Tensor
        self.loss: Tensor
        self.count: Tensor

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Count images; those without a label (-1) are left out.

        Args:
            scores: `[N, H, C]`.
            target: `[N]`.
        """
        known = target >= 0
        scores, target = scores[known].float(), target[known]
        heads = target[:, None].expand(scores.shape[:2])
        ranked = scores.topk(max(self.best), dim=2).indices == heads[:, :, None]
        for row, best in enumerate(self.best):
            self.hits[row] += ranked[:, :, :best].any(2).sum(0)
        log_probability = scores.log_softmax(2)
        self.loss -= log_probability.gather(2, heads[:, :, None])[:, :, 0].sum(0)
        self.count += len(target)

    def compute(self) -> dict[str, Tensor]:
        """`top1` and, with more than five classes, `top5`, and `loss`, each `[H]`."""
        top = {f"top{best}": self.hits[row] / self.count for row, best in enumerate(self.best)}
        return top | {"loss": self.loss / self.count}

    def scores(self) -> dict[str, Tensor]:
        """What `compute` gives, also `[H]` for a single head, which torchmetrics squeezes."""
        return {name: value.reshape(-1) for name, value in self.compute().items()}
