"""Numbers that tell a healthy representation from a collapsed one.

Shapes: `N` images, `F` features.
"""

import math

import torch
import torch.nn.functional as F
from metaug.lightning_modules.evaluation.precision import in_double
from torch import Tensor


def feature_std(features: Tensor) -> Tensor:
    """Standard deviation of unit features `[N, F]`: its mean over features times sqrt(F).

    1 when they fill all directions evenly, 0 when all are the same (Chen and He, "Exploring
    simple Siamese representation learning", CVPR 2021, section 4.1).
    """
    unit = F.normalize(in_double(features), dim=1)
    return unit.std(dim=0, correction=0).mean() * math.sqrt(features.shape[1])


def effective_rank(features: Tensor) -> Tensor:
    """RankMe: exp of the entropy of the singular values of `[N, F]`, normalized to sum to one.

    Between 1 (all features along one direction) and min(N, F) (Garrido et al., "RankMe", ICML 2023,
    equation 1, without its epsilon).
    """
    singular = torch.linalg.svdvals(in_double(features))
    share = singular / singular.sum().clamp_min(torch.finfo(singular.dtype).tiny)
    return torch.special.entr(share).sum().exp()


def alignment(first: Tensor, second: Tensor, power: float = 2.0) -> Tensor:
    """Mean distance, to a power, of unit features `[N, F]` of two views of the same images.

    0 is perfect alignment, about 2 is chance (Wang and Isola, ICML 2020, section 4.2).
    """
    distance = F.normalize(in_double(first), dim=1) - F.normalize(in_double(second), dim=1)
    return distance.norm(dim=1).pow(power).mean()


def uniformity(features: Tensor, scale: float = 2.0) -> Tensor:
    """Log of the mean of exp(-scale d^2) over pairs of unit features `[N, F]`.

    0 when all are the same; the lower, the more uniform; about -2 * scale for many dimensions (Wang
    and Isola, ICML 2020, section 4.2).

    Raises:
        ValueError: For fewer than two images, which make no pair.
    """
    count = len(features)
    if count < 2:
        raise ValueError(f"uniformity needs pairs of images, got {count} image(s); give at least 2")
    unit = F.normalize(in_double(features), dim=1)
    total = unit.new_zeros(())
    for rows in unit.split(1024):
        total += (-scale * (2 - 2 * rows @ unit.T).clamp_min(0)).exp().sum()
    return ((total - count) / (count * (count - 1))).log()
