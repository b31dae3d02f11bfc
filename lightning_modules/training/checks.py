"""Checks that fail early, each with the value and how to fix it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from .batch_formats import Batch
from .optimization import OptimizerSettings


class NonFiniteLossError(RuntimeError):
    """The loss is not a number or infinite; the message says where and what to do."""


def check_views(count: int | None, source: str, encoder: nn.Module, generator: Any) -> None:
    """Check that encoder and generator take as many views as there are.

    Args:
        count: Number of views, or None if it is not known.
        source: What has them, in words.
        encoder: Its `num_views`, if any, is what it takes.
        generator: Likewise; None for none.

    Raises:
        ValueError: If they do not.
    """
    for name, part in (("generator", generator), ("encoder", encoder)):
        expected = getattr(part, "num_views", None)
        if count is not None and expected is not None and count != expected:
            raise ValueError(
                f"the {source} {count} views of each image, the {name} has {expected}; set the "
                "number of views of both to the same"
            )


def check_settings(trainer: pl.Trainer) -> None:
    """Check that a trainer asks for nothing that manual optimization leaves out.

    Raises:
        ValueError: Naming what does it instead.
    """
    if trainer.gradient_clip_val:
        raise ValueError(
            f"gradient_clip_val={trainer.gradient_clip_val} of the trainer clips one optimizer's "
            "gradients, and MetAug has two: use its clip_norm (--model.clip_norm)"
        )
    if trainer.accumulate_grad_batches != 1:
        raise ValueError(
            f"accumulate_grad_batches={trainer.accumulate_grad_batches} of the trainer would "
            "contrast each batch by itself: use MetAug's accumulate (--model.accumulate), whose "
            "batches share their negatives"
        )


def check_warm_up(trainer: pl.Trainer, *settings: OptimizerSettings) -> None:
    """Check that a run's epochs are not all warm-up and more; one of few steps is a trial.

    Raises:
        ValueError: Naming both.
    """
    epochs = trainer.max_epochs
    if epochs in (None, -1) or trainer.max_steps != -1 or trainer.fast_dev_run:  # type: ignore[attr-defined]
        return
    for each in settings:
        if each.warmup_epochs > epochs:
            raise ValueError(
                f"warmup_epochs={each.warmup_epochs:g} is longer than training, max_epochs="
                f"{epochs}: the learning rate would never reach {each.lr:g}; set it to less, or "
                "train for longer"
            )


def check_precision(trainer: Any) -> None:
    """Check that the trainer's precision suits two objectives and a look-ahead.

    Args:
        trainer: A trainer or its settings; on a CPU a trainer of `16-mixed` says `bf16-mixed`.

    Raises:
        ValueError: For float16, and for weights kept in less than float32.
    """
    precision = str(trainer.precision)
    if precision.startswith("16"):
        raise ValueError(
            f"precision {precision} needs loss scaling, which gradients of two objectives do "
            "not survive; use precision: bf16-mixed or 32-true"
        )
    if precision.endswith("-true") and precision not in ("32-true", "64-true"):
        raise ValueError(
            f"precision {precision} rounds a look-ahead step away; use precision: bf16-mixed "
            "or 32-true"
        )


def check_finite(
    trainer: pl.Trainer,
    loss: Tensor,
    terms: dict[str, Tensor],
    gradients: Sequence[Tensor],
    cause: Callable[[], str | None],
) -> None:
    """Check that the loss and its gradients are finite, before they spoil the parameters.

    It waits for a GPU.

    Args:
        trainer: The trainer at work.
        loss: A scalar.
        terms: What the loss is made of, by name; each a scalar.
        gradients: What the optimizers are about to step along.
        cause: What else than the learning rate is wrong, if anything; asked when something is.

    Raises:
        NonFiniteLossError: Naming the step, the terms that blew up, and a checkpoint to resume
            from.
    """
    norms = torch.stack(torch._foreach_norm(list(gradients))).sum()
    if torch.isfinite(loss + norms):
        return
    terms = {**terms, "gradients": norms}
    blown = [name for name, value in terms.items() if not torch.isfinite(value)]
    paths = [
        getattr(callback, "last_model_path", "") or getattr(callback, "best_model_path", "")
        for callback in trainer.checkpoint_callbacks
    ]
    last = next((path for path in paths if path), None)
    resume = f"resume from {last}" if last else "no checkpoint was written yet"
    raise NonFiniteLossError(
        f"the loss is {float(loss)} at step {trainer.global_step}; not finite: "
        f"{', '.join(blown) or 'their weighted sum'}. "
        f"{cause() or 'Lower the learning rate, add warm-up or set clip_norm'}; {resume}"
    )


def find_cause(module: Any, batches: Sequence[Batch], index: Tensor | None) -> str | None:
    """Why a loss is not finite, where it is not for a step that was too long.

    Args:
        module: MetAug.
        batches: Its batches.
        index: Dataset index of the instances of the global batch; None without a memory bank.
    """
    if not all(bool(torch.isfinite(view).all()) for batch in batches for view in batch.views):
        return "The images of this batch are not finite: look at the data and its mean and std"
    if module.global_step == 0:
        state = module.state_dict().items()
        broken = [name for name, value in state if not bool(torch.isfinite(value).all())]
        if broken:
            return f"{broken[0]} was not finite before the first step: look at where it comes from"
    if index is not None:
        drawn = module.memory_bank.draw(module.global_step).index
        if bool((index[:, None] == drawn).all(dim=1).any()):
            return (
                f"All {drawn.numel()} draws from the memory bank are of one of the batch's own "
                "images, which leaves it no negatives: raise num_negatives"
            )
    return None


class IncompleteStateError(RuntimeError):
    """A checkpoint would hold a half-done step or numbers that are not finite."""


def check_whole(module: nn.Module, *, half_done: bool) -> None:
    """Check that what a checkpoint would hold is worth to resume from.

    Args:
        module: Its parameters and buffers must be finite; looked at here because a GPU's steps are
            not waited for.
        half_done: Whether a step stopped after one network was updated and the other was not.

    Raises:
        IncompleteStateError: If it is not; no file is written.
    """
    if half_done:
        raise IncompleteStateError(
            "no checkpoint is written: the step in progress updated one network and not the other; "
            "resume from the checkpoint before"
        )
    state = module.state_dict().items()
    broken = [name for name, value in state if not bool(torch.isfinite(value).all())]
    if broken:
        raise IncompleteStateError(
            f"no checkpoint is written: {len(broken)} of {len(state)} tensors are not finite, "
            f"{broken[0]} first. Lower the learning rate, add warm-up or set clip_norm, and resume "
            "from the checkpoint before"
        )
