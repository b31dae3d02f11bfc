"""Optimizers and learning-rate schedules, as plain settings."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ..arguments.ranges import check_choice, check_count, check_number
from ..networks.stages import heights

ScheduleName = Literal["constant", "cosine", "step"]


@dataclass(frozen=True)
class OptimizerSettings:
    """One optimizer with its learning-rate schedule, stepped once per training step.

    Args:
        name: An optimizer that timm knows: `sgd` (Nesterov), `momentum` (plain), `adamw`,
            `lars`, `lamb` and others.
        lr: Peak learning rate, > 0.
        momentum: Momentum in [0, 1), of optimizers that have one.
        weight_decay: Weight decay, >= 0; not applied to biases and normalization parameters.
        schedule: `constant`, `cosine` (to 0 at the end of training) or `step`.
        warmup_epochs: Epochs of linear warm-up from near 0 to the peak; fractions are allowed.
        milestones: Epochs at which `step` multiplies the rate by `decay`.
        decay: Factor of `step`, in (0, 1].
        layer_decay: Factor of the rate from each layer of a backbone to the one below, in (0, 1],
            so that what pretraining learned first changes least (as timm counts: a block is a
            layer, the head the uppermost; Clark et al., ICLR 2020); 1 for one rate.

    Examples:
        >>> settings = OptimizerSettings("adamw", lr=1e-3, schedule="cosine", warmup_epochs=1)
        >>> [settings.factor(step, steps_per_epoch=10, total_steps=100) for step in (9, 55)]
        [0.9090909090909091, 0.5]
    """

    name: str = "sgd"
    lr: float = 0.06
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: ScheduleName = "cosine"
    warmup_epochs: float = 0.0
    milestones: list[int] = field(default_factory=list)
    decay: float = 0.1
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: Naming the setting, its value and how to fix it.
        """
        check_number("lr", self.lr, above=0)
        check_number("momentum", self.momentum, at_least=0, below=1)
        check_number("weight_decay", self.weight_decay, at_least=0)
        check_number("warmup_epochs", self.warmup_epochs, at_least=0)
        check_number("decay", self.decay, above=0, at_most=1)
        check_number("layer_decay", self.layer_decay, above=0, at_most=1)
        for milestone in self.milestones:
            check_count("milestones", milestone)
        check_choice("schedule", self.schedule, ScheduleName)
        object.__setattr__(self, "milestones", list(self.milestones))

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a module's parameters that train.

        Raises:
            ValueError: If timm does not know the optimizer's name, or layers have no known order.
        """
        groups = None if self.layer_decay == 1 else self._groups_by_layer(module)
        arguments: dict[str, Any] = {}
        if self.name in {"sgd", "momentum", "adam", "adamw"}:
            arguments["foreach"] = True
        try:
            return create_optimizer_v2(
                module if groups is None else groups,
                opt=self.name,
                lr=self.lr,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                **arguments,
            )
        except (ValueError, AssertionError) as error:
            raise ValueError(
                f"optimizer {self.name!r} cannot be built ({error}); use sgd, adamw, lars or "
                "another name of timm.optim.list_optimizers()"
            ) from error

    def _groups_by_layer(self, module: nn.Module) -> list[dict[str, Any]]:
        """Groups of one rate and weight decay each, the lowest layer first."""
        height = heights(module)
        groups: dict[tuple[int, bool], list[Tensor]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                is_decayed = parameter.ndim > 1 and not name.endswith(".bias")  # as timm has it
                groups.setdefault((height[name], is_decayed), []).append(parameter)
        return [
            {
                "params": params,
                "lr": self.lr * self.layer_decay**layer,
                "weight_decay": self.weight_decay * is_decayed,
            }
            for (layer, is_decayed), params in sorted(groups.items(), key=lambda item: -item[0][0])
        ]

    def factor(self, step: int, steps_per_epoch: float, total_steps: float) -> float:
        """The learning rate after `step` training steps, as a fraction of the peak.

        Args:
            step: Training steps taken.
            steps_per_epoch: Training steps of an epoch.
            total_steps: Training steps of the whole run.
        """
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.schedule == "cosine":
            progress = (step - warmup) / max(1.0, total_steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        if self.schedule == "step":
            return self.decay ** sum(step >= epoch * steps_per_epoch for epoch in self.milestones)
        return 1.0

    def build_schedule(
        self, optimizer: torch.optim.Optimizer, steps_per_epoch: float, total_steps: float
    ) -> LambdaLR:
        """The schedule of an optimizer; see `factor`.

        Raises:
            ValueError: If a cosine schedule has no end, or epochs of unknown length are counted.
        """
        counts_epochs = self.warmup_epochs or self.schedule == "step"
        if counts_epochs and not math.isfinite(steps_per_epoch):
            raise ValueError(
                "warmup_epochs and milestones count epochs, but the training loader has no length; "
                "set trainer.limit_train_batches, or warmup_epochs: 0 and schedule: constant"
            )
        if self.schedule == "cosine" and not math.isfinite(total_steps):
            raise ValueError(
                "a cosine schedule needs to know when training ends; set trainer.max_epochs or "
                "trainer.max_steps, or use schedule: constant"
            )
        return LambdaLR(optimizer, lambda step: self.factor(step, steps_per_epoch, total_steps))


def has_trained_parameters(module: nn.Module | None) -> bool:
    """Whether a network is there and has parameters that train."""
    return module is not None and any(param.requires_grad for param in module.parameters())


def clip_by_norm(grads: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """Gradients scaled so that their joint norm is at most `max_norm`; those given stay.

    Args:
        grads: Gradients.
        max_norm: Greatest joint norm.
    """
    norm = torch.nn.utils.get_total_norm(grads)
    return list(torch._foreach_mul(list(grads), (max_norm / (norm + 1e-6)).clamp(max=1.0)))


def set_gradients(
    params: Iterable[Tensor], grads: Sequence[Tensor], max_norm: float | None = None
) -> None:
    """Give parameters the gradients that their optimizer is to step along.

    Args:
        params: Parameters.
        grads: A gradient of each.
        max_norm: Greatest joint norm; None for no limit.
    """
    grads = grads if max_norm is None else clip_by_norm(grads, max_norm)
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad.to(param.dtype)
