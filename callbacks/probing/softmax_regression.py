"""Linear classification of frozen features: softmax regression, solved to convergence.

Shapes: `N` images, `F` features, `C` classes.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from metaug.lightning_modules.distributed.collectives import all_sum
from torch import Tensor


class SoftmaxRegression:
    """A linear head on standardized features, the minimum of a convex problem.

        sum of cross entropies + penalty / 2 * |weight|^2

    This is scikit-learn's logistic regression with `C = 1 / penalty` after its `StandardScaler`.
    L-BFGS on all images finds the minimum, with gradients in closed form, in double precision
    and summed over processes, so nothing is random and any number of processes gives the same head.

    Args:
        penalty: Weight of the squared norm against the summed cross entropy.
        max_iterations: Most L-BFGS iterations of one fit.
        tolerance: A fit ends when no entry of the gradient of the mean loss is larger.
        block: Images whose logits are held at once.

    Examples:
        >>> features = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
        >>> head = SoftmaxRegression()
        >>> head.fit(features, torch.tensor([0, 0, 1, 1]), num_classes=2)
        >>> head.logits(features).argmax(1)
        tensor([0, 0, 1, 1])
    """

    def __init__(
        self,
        *,
        penalty: float = 1.0,
        max_iterations: int = 300,
        tolerance: float = 1e-5,
        block: int = 16384,
    ) -> None:
        if penalty < 0:
            raise ValueError(f"penalty={penalty}, but it must be 0 or above")
        self.penalty = penalty
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.block = block
        self.weight = torch.zeros(0, 0)
        self.bias = torch.zeros(0)
        self.mean = torch.zeros(0)
        self.scale = torch.zeros(0)
        self.iterations = 0

    def fit(self, features: Tensor, target: Tensor, num_classes: int) -> None:
        """Fit to this process's share of the images, starting from the present head if it fits.

        Args:
            features: `[N, F]`; may be empty on some processes.
            target: `[N]` labels in `0 .. num_classes - 1`.
            num_classes: Number of classes over all processes.

        Raises:
            ValueError: If no process has an image.
        """
        with torch.inference_mode(False), torch.no_grad():
            self._fit(features, target, num_classes)

    def _fit(self, features: Tensor, target: Tensor, num_classes: int) -> None:
        exact = torch.float32 if features.device.type == "mps" else torch.float64
        count = all_sum(torch.tensor(len(features), device=features.device, dtype=exact))
        if count == 0:
            raise ValueError(
                "there is no labeled image to fit a linear head to; give a bank with labels"
            )
        self.mean, self.scale = self._standards(features, count, exact)
        shape = (num_classes, features.shape[1])
        start = self.weight.to(self.mean), self.bias.to(self.mean)
        fits = self.weight.shape == shape
        self.weight = start[0].clone() if fits else self.mean.new_zeros(shape)
        self.bias = start[1].clone() if fits else self.mean.new_zeros(num_classes)

        blocks: Iterable[tuple[Tensor, Tensor]] = _Blocks(self, features, target)
        if features.numel() <= 2**26:
            blocks = list(blocks)
        solver = torch.optim.LBFGS(
            [self.weight, self.bias],
            max_iter=self.max_iterations,
            tolerance_grad=self.tolerance,
            tolerance_change=1e-12,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            with torch.no_grad():
                loss, self.weight.grad, self.bias.grad = self._gradients(blocks, count)
            return loss

        solver.step(closure)
        self.iterations += int(solver.state[self.weight]["n_iter"])
        self.weight.grad = self.bias.grad = None

    def _standards(
        self, features: Tensor, count: Tensor, exact: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        parts = features.split(self.block)
        zero = features.new_zeros(features.shape[1], dtype=exact)
        mean = all_sum(sum((part.to(exact).sum(0) for part in parts), zero)) / count
        squares = sum(((part.to(exact) - mean).square().sum(0) for part in parts), zero)
        deviation = (all_sum(squares) / count).sqrt()
        constant = deviation <= 1e-6 * mean.abs() + 1e-12
        return mean, deviation.masked_fill(constant, 1.0)

    def _gradients(
        self, blocks: Iterable[tuple[Tensor, Tensor]], count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss and its gradients, over the images of all processes."""
        classes, width = self.weight.shape
        # loss, [C, F] and [C] in one vector, so that processes add them up in one call
        sums = self.weight.new_zeros(1 + classes * (width + 1))
        weight_sum = sums[1 : 1 + classes * width].view(classes, width)
        bias_sum = sums[1 + classes * width :]
        for standardized, target in blocks:
            log_probability = F.log_softmax(standardized @ self.weight.T + self.bias, dim=1)
            sums[0] += F.nll_loss(log_probability, target, reduction="sum")
            error = log_probability.exp()
            error[torch.arange(len(target), device=target.device), target] -= 1
            weight_sum += error.T @ standardized
            bias_sum += error.sum(0)
        sums = all_sum(sums) / count
        decay = self.penalty / count
        loss = sums[0] + decay / 2 * self.weight.square().sum()
        weight_gradient = sums[1 : 1 + classes * width].view(classes, width) + decay * self.weight
        return loss, weight_gradient, sums[1 + classes * width :].clone()

    def logits(self, features: Tensor) -> Tensor:
        """Class scores `[N, C]` of features `[N, F]`."""
        return self._standardized(features) @ self.weight.T + self.bias

    def _standardized(self, features: Tensor) -> Tensor:
        return (features.to(self.mean.dtype) - self.mean) / self.scale

    def state_dict(self) -> dict[str, Any]:
        """Head, standardization and solver, as tensors on the CPU."""
        names = ("weight", "bias", "mean", "scale")
        head = {name: getattr(self, name).detach().cpu().clone() for name in names}
        return {"head": head, "optimizer": {"iterations": self.iterations}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved head."""
        for name, value in state["head"].items():
            setattr(self, name, value.clone())
        self.iterations = state["optimizer"]["iterations"]


class _Blocks:
    """Standardized blocks of rows, computed again on each pass so that memory stays bounded."""

    def __init__(self, head: SoftmaxRegression, features: Tensor, target: Tensor) -> None:
        self.head, self.features, self.target = head, features, target

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows, target in zip(
            self.features.split(self.head.block), self.target.split(self.head.block), strict=True
        ):
            yield self.head._standardized(rows), target
