"""All pairs of an instance in one term, with first and second derivatives in few operations."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class _UnifiedLoss(torch.autograd.Function):
    """`scale * softplus(T)`, `T = logsumexp(slope * negative) + a logsumexp(-slope * positive)`."""

    @staticmethod
    def forward(
        ctx: Any,
        positive: Tensor,
        negative: Tensor,
        slope: float,
        scale: float,
        attraction: float,
    ) -> Tensor:
        log_positive = (-slope * positive).logsumexp(dim=0)
        log_negative = (slope * negative).logsumexp(dim=(0, 2))
        total = torch.add(log_negative, log_positive, alpha=attraction)
        ctx.save_for_backward(positive, negative, log_positive, log_negative, total)
        ctx.factors = slope, scale, attraction
        # torch's default threshold of 20 is too low for float64: it is off by 2e-9 there
        return scale * functional.softplus(total, threshold=40)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *_Weights.apply(grad, *ctx.saved_tensors, *ctx.factors), None, None, None


class _Weights(torch.autograd.Function):
    """The gradient of `_UnifiedLoss`: each pair's share of its instance's loss.

    `-a w p` and `w n`, with the softmax p of `-slope * positive` and n of `slope * negative`, and
    `w = grad * scale * slope * sigmoid(T)`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        grad: Tensor,
        positive: Tensor,
        negative: Tensor,
        log_positive: Tensor,
        log_negative: Tensor,
        total: Tensor,
        slope: float,
        scale: float,
        attraction: float,
    ) -> tuple[Tensor, Tensor]:
        share = torch.sigmoid(total)
        weight = (grad * share).mul_(scale * slope)
        p = torch.add(-log_positive, positive, alpha=-slope).exp_()
        n = torch.add(-log_negative[:, None], negative, alpha=slope).exp_()
        ctx.save_for_backward(share, weight, p, n)
        ctx.factors = slope, scale, attraction
        return p * (-attraction * weight), n * weight[:, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_positive: Tensor, d_negative: Tensor) -> tuple[Tensor | None, ...]:
        share, weight, p, n = ctx.saved_tensors
        slope, scale, attraction = ctx.factors
        # the direction's means under each softmax, and what they do to the sigmoid, `[B]`
        mean_p = (d_positive * p).sum(0)
        mean_n = (d_negative * n).sum((0, 2))
        both = torch.sub(mean_n, mean_p, alpha=attraction)
        rest = (1 - share) * both
        steep = slope * weight
        pull = steep if attraction == 1 else attraction * steep
        positive = (d_positive - (mean_p + rest)).mul_(p).mul_(pull)
        negative = (d_negative + (rest - mean_n)[:, None]).mul_(n).mul_(steep[:, None])
        grad = (share * both).mul_(scale * slope)
        return grad, positive, negative, *[None] * 6


def unified_loss(
    positive: Tensor,
    negative: Tensor,
    gamma: float,
    slope: float = 1.0,
    attraction_weight: float = 1.0,
) -> Tensor:
    """All pairs of each instance in one term, `[B]`.

    `16/gamma * softplus(logsumexp_n(slope * negative) + w logsumexp_p(-slope * positive))`. torch's
    own derivatives are the same, in more operations and passes over the pairs.

    Args:
        positive: Similarities of positive pairs, `[P, B]`, or their negative logits.
        negative: Similarities of negative pairs, `[Q, B, M]`, or their logits; minus infinity
            leaves one out.
        gamma: Scale of the logits.
        slope: What makes logits of both, > 0.
        attraction_weight: w > 0.
    """
    return _UnifiedLoss.apply(positive, negative, slope, 16 / gamma, attraction_weight)
