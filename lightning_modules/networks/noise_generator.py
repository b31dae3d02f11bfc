"""Noise of fixed radius: the control of every trained generator."""

import numpy as np
from torch import Tensor

from ..arguments.ranges import check_number, check_seed
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.step_draws import StepDraws, onto
from .unit_norm import unit_norm


class NoiseGenerator(Rebuildable):
    """Moves each feature by noise, `(u + r e) / |u + r e|` with e uniform on the unit sphere.

    It has no parameters, so training with it takes no meta step; not in the paper.

    Args:
        radius: r > 0, the length of what is added. Below 1 augmented features stay within an angle
            of arcsin(radius).
        seed: Seed of the noise, which is drawn anew in each training step.

    Examples:
        >>> import torch
        >>> features = unit_norm(torch.randn(4, 2, 8))
        >>> augmented = NoiseGenerator(radius=0.5)(features)
        >>> bool(((features * augmented).sum(-1) >= 0.75**0.5 - 1e-6).all())
        True
    """

    def __init__(self, radius: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        check_number("radius", radius, above=0)
        check_seed(seed)
        self.radius = radius
        self.draws = StepDraws(seed, "noise")

    def forward(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`, unit norm."""
        normal = self.draws.generator().standard_normal(tuple(features.shape), dtype=np.float32)
        direction = unit_norm(onto(normal, features.device).to(features.dtype))
        return unit_norm(features + self.radius * direction)

    def extra_repr(self) -> str:
        """The settings, for `print(module)`."""
        return f"radius={self.radius}"
