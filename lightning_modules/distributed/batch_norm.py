"""BatchNorm over all processes: on any device, in forward mode and with second derivatives."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from .collectives import world_size


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
    forward-mode tangents are those of one process with the whole batch. `nn.SyncBatchNorm` is
    faster, but knows only GPUs and first derivatives. Optional `drop` and `act` follow the
    normalization, as in timm's `BatchNormAct2d`.
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
        """Normalize `[n, C, ...]`, with global statistics in training."""
        self._check_input_dim(input)
        use_batch = self.training or self.running_mean is None
        if not (use_batch and world_size() > 1):
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
        # one row [count, mean, sum of squared deviations] of each process, [W, 1 + 2 C]
        count = values.numel() // values.shape[1]
        mean = values.mean(axes)
        squares = (values - mean.view([1, -1] + [1] * (values.dim() - 2))).square().sum(axes)
        own = torch.cat([torch.full_like(mean[:1], count), mean, squares])
        rows = _AllReduceSum.apply(functional.pad(own[None], (0, 0, rank, size - rank - 1)))
        channels = values.shape[1]
        counts = rows[:, :1].detach()
        means, sums = rows[:, 1 : 1 + channels], rows[:, 1 + channels :]
        total = counts.sum()
        # the parallel form of the variance (Chan et al., 1983)
        global_mean = (counts * means).sum(0) / total
        global_sum = (sums + counts * (means - global_mean).square()).sum(0)
        return size * count, global_mean, global_sum / total

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


def synchronize_batch_norm(module: nn.Module, *, native: bool) -> nn.Module:
    """Replace every BatchNorm in a module by one over all processes; parameters are kept.

    Args:
        module: Changed in place, or replaced if it is a BatchNorm itself.
        native: Use torch's own `SyncBatchNorm`, which is faster, but knows only GPUs and first
            derivatives.

    Returns:
        The module.

    Raises:
        ValueError: For a BatchNorm of the user's own, whose `forward` would be lost.
    """
    if isinstance(module, nn.SyncBatchNorm):
        return module if native else _converted(module)
    if isinstance(module, _BatchNorm) and not isinstance(module, DistributedBatchNorm):
        plain = type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        if native and plain:
            return nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return _converted(module)
    for name, child in list(module.named_children()):
        replaced = synchronize_batch_norm(child, native=native)
        if replaced is not child:
            setattr(module, name, replaced)
    return module


def _converted(module: _BatchNorm) -> DistributedBatchNorm:
    kind = type(module)
    if not kind.__module__.startswith(("torch.", "timm.")) and "forward" in vars(kind):
        raise ValueError(
            f"{kind.__name__} has a forward of its own, which BatchNorm over several processes "
            "would replace; train it on one process, or make it a torch.nn.BatchNorm followed by "
            "what it adds"
        )
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
