"""A bounded sample of features, the same on every number of processes."""

import torch

from ..distributed.collectives import all_sum
from .features import Features


def spread_sample(features: Features, most: int) -> Features:
    """At most about `most` of all processes' features, spread evenly over the data set.

    Returns:
        The sample, in data-set order, on every process.
    """
    count = torch.tensor(len(features.value), device=features.value.device)
    stride = max(1, -(-int(all_sum(count)) // most))
    return features.take(features.index % stride == 0).gathered()
