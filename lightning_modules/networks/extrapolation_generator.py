"""Positives moved away from each other, by feature transformation (FT)."""

from torch import Tensor

from ..arguments.ranges import check_number, check_seed
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.step_draws import StepDraws, onto
from .unit_norm import unit_norm


class ExtrapolationGenerator(Rebuildable):
    """Extrapolates positives (FT; Zhu et al., ICCV 2021), which makes them harder.

    `l u + (1 - l) p`, scaled to unit length, with `l = 1 + Beta(a, a)` drawn for each instance and
    p the instance's feature of the next view, that of the first for the last one. With two views
    these are the paper's two; with more, each view is once moved and once moved away from.

    It has no parameters, so training with it takes no meta step.

    Args:
        concentration: a > 0; the paper's is 2.
        seed: Seed of the weights l, which are drawn anew in each training step.

    Examples:
        >>> import torch
        >>> first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> augmented = ExtrapolationGenerator()(torch.stack([first, second])[None])
        >>> bool((augmented[0, 0] * augmented[0, 1]).sum() < 0)
        True
    """

    def __init__(self, concentration: float = 2.0, seed: int = 0) -> None:
        super().__init__()
        check_number("concentration", concentration, above=0, hint="the paper's is 2")
        check_seed(seed)
        self.concentration = concentration
        self.draws = StepDraws(seed, "extrapolation")

    def forward(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`, unit norm."""
        shape = (features.shape[0], 1, 1)
        beta = self.draws.generator().beta(self.concentration, self.concentration, shape)
        weight = 1 + onto(beta, features.device).to(features.dtype)
        positive = features.roll(-1, dims=1)
        return unit_norm(positive + weight * (features - positive))

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"concentration={self.concentration}"
