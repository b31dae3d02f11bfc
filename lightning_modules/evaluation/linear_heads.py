"""Many linear heads over the same features at once.

Letters: `N` instances, `F` feature size, `H` heads, `C` classes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .precision import in_double


class LinearHeads(nn.Module):
    """A pair of linear heads per learning rate, on standardized features.

    The first head of a pair is the one that is scored. The second, the held-out head, is trained
    beside it without the held-out images, so that these can tell which learning rate to choose.

    Args:
        num_heads: H, one per learning rate.
        in_features: F.
        num_classes: C.
    """

    def __init__(self, num_heads: int, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.normalization = nn.BatchNorm1d(in_features, eps=1e-12, affine=False)
        self.normalization_fixed = False
        shape = (2, num_classes, in_features)
        self.weight = nn.ParameterList([torch.zeros(shape) for _ in range(num_heads)])
        self.bias = nn.ParameterList([torch.zeros(shape[:2]) for _ in range(num_heads)])

    def fix_normalization(self, features: Tensor) -> None:
        """Standardize by the mean and deviation of these features `[N, F]` from now on."""
        norm = self.normalization
        assert norm.running_mean is not None
        assert norm.running_var is not None
        exact = in_double(features)
        variance = exact.var(0, correction=0)
        constant = variance <= 1e-12 * exact.mean(0).square() + 1e-24
        norm.running_mean.copy_(exact.mean(0))
        norm.running_var.copy_(variance.masked_fill(constant, 1.0))
        self.normalization_fixed = True
        norm.eval()

    def train(self, mode: bool = True) -> "LinearHeads":
        """Change the mode; a fixed standardization stays as it is."""
        super().train(mode)
        if self.normalization_fixed:
            self.normalization.eval()
        return self

    def forward(self, feature: Tensor) -> Tensor:
        """Class scores of all heads, `[N, F] -> [N, H, 2, C]`."""
        weight, bias = torch.stack(list(self.weight)), torch.stack(list(self.bias))
        scores = self.normalization(feature) @ weight.flatten(0, 2).T
        return scores.view(len(feature), *bias.shape) + bias


def held_out_mask(index: Tensor, fraction: float) -> Tensor:
    """Which images are held out, by their index alone, so in every epoch and process the same.

    Args:
        index: Position of every image in the data set `[N]`; -1 (unknown) is never held out.
        fraction: About this part of the images.
    """
    mixed = (index * 2654435761 + 1013904223) % 2**32
    mixed = ((mixed ^ (mixed >> 15)) * 2246822519) % 2**32
    return (mixed < math.ceil(fraction * 2**32)) & (index >= 0)


def cross_entropies(scores: Tensor, target: Tensor, count: float | None = None) -> Tensor:
    """Mean cross entropy of each head `[H]`; 0 without images.

    Args:
        scores: `[N, H, C]`.
        target: `[N]`.
        count: What to divide the sums by; null for N. A count that does not depend on the batch
            lets the gradients of several processes average to that of one.
    """
    if len(target) == 0:
        return scores.sum((0, 2))
    heads = target[:, None].expand(scores.shape[:2])
    losses = functional.cross_entropy(scores.flatten(0, 1), heads.flatten(), reduction="none")
    return losses.view(scores.shape[:2]).sum(0) / (count or len(target))
