"""BatchNorm over all processes: on any device, in forward mode and with second derivatives."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes. It is linear: its gradient and its tangent are sums as well."""

    @staticmethod
    def forward(values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _AllReduceSum.apply(grad)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return _AllReduceSum.apply(tangent)


class DistributedBatchNorm(_BatchNorm):
    """BatchNorm whose batch statistics are those of the global batch.

    Made of differentiable sums over processes, so that gradients, second derivatives and
    forward-mode tangents are those of one process with the whole batch. ``nn.SyncBatchNorm`` is
    faster, but knows only GPUs and first derivatives. Optional ``drop`` and ``act`` follow the
    normalisation, as in timm's ``BatchNormAct2d``.
    """

    drop: nn.Module | None
    act: nn.Module | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # not class attributes: these would hide the modules of the same name
        self.drop = None
        self.act = None

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``[n, C, ...]``, with global statistics in training."""
        self._check_input_dim(input)
        use_batch = self.training or self.running_mean is None
        if not (use_batch and dist.is_initialized() and dist.get_world_size() > 1):
            output = super().forward(input)
        else:
            output = self._normalize_globally(input)
        for module in (self.drop, self.act):
            if module is not None:
                output = module(output)
        return output

    def _normalize_globally(self, input: Tensor) -> Tensor:
        values = input if input.dtype == torch.float64 else input.float()
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        count, mean, variance = self._global_statistics(values, axes)
        if self.training and self.running_mean is not None:
            self._update_running(count, mean.detach(), variance.detach())
        scale = torch.rsqrt(variance + self.eps)
        output = (values - mean.view(shape)) * scale.view(shape)
        if self.affine:
            output = output * self.weight.view(shape) + self.bias.view(shape)
        return output.to(input.dtype)

    def _global_statistics(self, values: Tensor, axes: list[int]) -> tuple[int, Tensor, Tensor]:
        """Count, mean and biased variance of all processes' values, merged without cancellation."""
        size, rank = dist.get_world_size(), dist.get_rank()
        count = values.numel() // values.shape[1]
        mean = values.mean(axes)
        spread = (values - mean.view([1, -1] + [1] * (values.dim() - 2))).square().sum(axes)
        own = torch.cat([values.new_tensor([count]), mean, spread])
        rows = _AllReduceSum.apply(functional.pad(own[None], (0, 0, rank, size - rank - 1)))
        channels = values.shape[1]
        counts = rows[:, :1].detach()
        means, spreads = rows[:, 1 : 1 + channels], rows[:, 1 + channels :]
        total = counts.sum()
        global_mean = (counts * means).sum(0) / total
        global_spread = (spreads + counts * (means - global_mean).square()).sum(0)
        return size * count, global_mean, global_spread / total

    @torch.no_grad()
    def _update_running(self, count: int, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        if self.momentum is None:
            rate: float | Tensor = 1.0 / self.num_batches_tracked
        else:
            rate = self.momentum
        unbiased = variance * (count / max(count - 1, 1))
        self.running_mean.copy_((1 - rate) * self.running_mean + rate * mean)
        self.running_var.copy_((1 - rate) * self.running_var + rate * unbiased)


def synchronize_batch_norm(module: nn.Module, *, first_order: bool) -> nn.Module:
    """Replace every BatchNorm in a module by one over all processes; parameters are kept.

    Args:
        module: Changed in place, or replaced if it is a BatchNorm itself.
        first_order: Whether only first derivatives are needed: then torch's own SyncBatchNorm is
            used for layers on a GPU.

    Returns:
        The module.
    """
    if isinstance(module, nn.SyncBatchNorm):
        on_gpu = module.weight is None or module.weight.is_cuda
        return module if first_order and on_gpu else _converted(module)
    if isinstance(module, _BatchNorm) and not isinstance(module, DistributedBatchNorm):
        plain = type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        if first_order and plain and module.weight is not None and module.weight.is_cuda:
            return nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return _converted(module)
    for name, child in list(module.named_children()):
        replaced = synchronize_batch_norm(child, first_order=first_order)
        if replaced is not child:
            setattr(module, name, replaced)
    return module


def _converted(module: _BatchNorm) -> DistributedBatchNorm:
    converted = DistributedBatchNorm(
        module.num_features,
        module.eps,
        module.momentum,
        module.affine,
        module.track_running_stats,
    )
    converted.weight, converted.bias = module.weight, module.bias
    converted.running_mean = module.running_mean
    converted.running_var = module.running_var
    converted.num_batches_tracked = module.num_batches_tracked
    converted.drop = getattr(module, "drop", None)
    converted.act = getattr(module, "act", None)
    converted.training = module.training
    return converted
