"""Numbers that tell a healthy representation from a collapsed one.

Shapes: `N` images, `F` features.
"""

import math

import torch
import torch.nn.functional as F
from metaug.lightning_modules.evaluation.precision import in_double
from torch import Tensor

_ROWS = 1024  # compared with all others at once


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
    for rows in unit.split(_ROWS):
        total += (-scale * (2 - 2 * rows @ unit.T).clamp_min(0)).exp().sum()
    return ((total - count) / (count * (count - 1))).log()


def two_view_infonce(first: Tensor, second: Tensor, temperature: float = 0.05) -> Tensor:
    """InfoNCE of two views of the same images, `[N, F]` each, in blocks of bounded memory.

    Each of the 2N unit features is to tell the other view of its image from both views of all other
    images, `-log exp(c_p / T) / (exp(c_p / T) + sum_n exp(c_n / T))` with cosines c, averaged
    (NT-Xent, Chen et al., ICML 2020). log(2N - 1) when all are the same.

    Raises:
        ValueError: For fewer than two images, which have no negatives.
    """
    count = len(first)
    if count < 2:
        raise ValueError(f"InfoNCE needs other images, got {count} image(s); give at least 2")
    unit = F.normalize(torch.cat([in_double(first), in_double(second)]), dim=1)
    numbers = torch.arange(2 * count, device=unit.device)
    total = unit.new_zeros(())
    for own in numbers.split(_ROWS):
        row = torch.arange(len(own), device=unit.device)
        logits = unit[own] @ unit.T / temperature  # [b, 2N]
        logits[row, own] = -torch.inf
        total += (logits.logsumexp(dim=1) - logits[row, (own + count) % (2 * count)]).sum()
    return total / (2 * count)
