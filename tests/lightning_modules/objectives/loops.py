"""The equations of the paper as loops over instances and pairs: the oracles of the objectives.

A feature is named (kind, view, instance); kind is "original" or "augmented".
"""

import math

import torch
from torch import Tensor

ORIGINAL, AUGMENTED = "original", "augmented"


def unit_features(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return features / features.norm(dim=-1, keepdim=True)


def similarity(first: Tensor, second: Tensor) -> Tensor:
    return (1 + (first * second).sum()) / 2


def oucl_of_instance(positive, negative, gamma=16.0, margin=None) -> Tensor:
    """softplus(log sum_n e^a + log sum_p e^b) written out: log(1 + sum over all n and p)."""
    total = torch.ones((), dtype=torch.float64)
    for s_n in negative:
        for s_p in positive:
            if margin is None:
                exponent = gamma * s_n - gamma * s_p
            else:
                pace_n = max(s_n.item() + margin, 0.0)
                pace_p = max(1 + margin - s_p.item(), 0.0)
                exponent = gamma * pace_n * (s_n - margin) - gamma * pace_p * (s_p - (1 - margin))
            total = total + exponent.exp()
    return 16 / gamma * total.log()


def weighed_oucl_of_instance(positive, negative, gamma, margin, weight) -> Tensor:
    """log(1 + sum_n e^a * (sum_p e^b)^w) written out."""
    repulsion = attraction = torch.zeros((), dtype=torch.float64)
    for s in negative:
        pace = 1.0 if margin is None else max(s.item() + margin, 0.0)
        repulsion = repulsion + (gamma * pace * (s - (margin or 0.0))).exp()
    for s in positive:
        pace = 1.0 if margin is None else max(1 + margin - s.item(), 0.0)
        easy = 0.0 if margin is None else 1 - margin
        attraction = attraction + (-gamma * pace * (s - easy)).exp()
    return 16 / gamma * (1 + repulsion * attraction**weight).log()


def margins_of_instance(positive, negative, kind) -> tuple[Tensor, Tensor]:
    hardest_positive, hardest_negative = min(positive), max(negative)
    least = min(hardest_positive, hardest_negative)
    greatest = max(hardest_positive, hardest_negative)
    mean = (hardest_positive + hardest_negative) / 2
    return {"large": (least, greatest), "small": (greatest, least), "mean": (mean, mean)}[kind]


def regularization_of_instance(
    positive, negative, augmented_positive, augmented_negative, kind, w_positive, w_negative
) -> Tensor:
    upper, lower = margins_of_instance(positive, negative, kind)
    zero = torch.zeros((), dtype=torch.float64)
    too_easy = sum(max(s - upper, zero) for s in augmented_positive) / len(augmented_positive)
    too_far = sum(max(lower - s, zero) for s in augmented_negative) / len(augmented_negative)
    return w_positive * too_easy + w_negative * too_far


def pairs_of_instance(i, features, augmented, members, bank=None, index=None):
    """Similarities of the ordered pairs of instance `i` among `members`, (kind, view) each.

    Returns two lists of (kinds of the two features, similarity): positive and negative.
    """
    values = {ORIGINAL: features, AUGMENTED: augmented}
    positive, negative = [], []
    for kind, view in members:
        anchor = values[kind][i, view]
        for other_kind, other_view in members:
            if other_view == view:
                continue
            kinds = {kind, other_kind}
            positive.append((kinds, similarity(anchor, values[other_kind][i, other_view])))
            if bank is not None:
                continue
            for j in range(len(features)):
                if j != i:
                    other = values[other_kind][j, other_view]
                    negative.append((kinds, similarity(anchor, other)))
        if bank is not None:
            for other_view in range(features.shape[1]):
                for draw in range(bank.shape[1]):
                    if other_view != view and index[1][draw] != index[0][i]:
                        negative.append(({kind}, similarity(anchor, bank[other_view, draw])))
    return positive, negative


def contrast_among(features, augmented, members, loss, bank=None, index=None) -> Tensor:
    """Mean over instances of a loss over the pairs among members."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(features)):
        positive, negative = pairs_of_instance(i, features, augmented, members, bank, index)
        total = total + loss([s for _, s in positive], [s for _, s in negative])
    return total / len(features)


def composed(features, augmented, composition, weight, loss, bank=None, index=None) -> Tensor:
    views = range(features.shape[1])

    def among(members):
        return contrast_among(features, augmented, members, loss, bank, index)

    originals = [(ORIGINAL, view) for view in views]
    every = [(AUGMENTED, view) for view in views]
    if composition == "unified":
        return among(originals) + weight * among(originals + every)
    substituted = among(every)
    for replaced in views:
        members = [(AUGMENTED if view == replaced else ORIGINAL, view) for view in views]
        substituted = substituted + among(members)
    return among(originals) + weight * substituted


def regularization(features, augmented, kind, w_positive, w_negative, bank=None, index=None):
    views = range(features.shape[1])
    members = [(kind_, view) for kind_ in (ORIGINAL, AUGMENTED) for view in views]
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(features)):
        pairs = pairs_of_instance(i, features, augmented, members, bank, index)
        of_originals = [[s for kinds, s in each if AUGMENTED not in kinds] for each in pairs]
        with_augmented = [[s for kinds, s in each if AUGMENTED in kinds] for each in pairs]
        total = total + regularization_of_instance(
            *of_originals, *with_augmented, kind, w_positive, w_negative
        )
    return total / len(features)


def nt_xent(features, temperature, weight=1.0) -> float:
    """SimCLR's loss (Chen et al., 2020, equation 1) over the features of all views.

    The logit of a positive is weighed by `weight`.
    """
    count, views, _ = features.shape
    names = [(i, v) for i in range(count) for v in range(views)]
    losses = []
    for i, v in names:
        for w in range(views):
            if w == v:
                continue
            numerator = math.exp(weight * float(features[i, v] @ features[i, w]) / temperature)
            others = [
                math.exp(float(features[i, v] @ features[j, u]) / temperature)
                for j, u in names
                if j != i
            ]
            losses.append(-math.log(numerator / (numerator + sum(others))))
    return sum(losses) / len(losses)
