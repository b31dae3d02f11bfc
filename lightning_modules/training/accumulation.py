"""Several loader batches that form one contrastive batch, and how many steps that makes."""

import math
from typing import Any

import pytorch_lightning as pl
import torch

from ..arguments.ranges import check_count
from .batch_formats import Batch


class Accumulation:
    """Holds batches back until enough of them are there.

    Args:
        size: Loader batches that form one contrastive batch, >= 1.

    Raises:
        ValueError: If `size` is below 1.
    """

    def __init__(self, size: int) -> None:
        check_count("accumulate", size)
        self.size = size
        self.pending: list[Batch] = []

    def add(self, batch: Batch, *, is_last: bool) -> list[Batch]:
        """Take a batch; give all that wait once they are enough, or the epoch ends, else none.

        Args:
            batch: A batch of the loader.
            is_last: Whether it is the epoch's last one; its contrastive batch may be a short one.
        """
        self.pending.append(batch)
        if len(self.pending) < self.size and not is_last:
            return []
        batches, self.pending = self.pending, []
        return batches

    def state(self) -> list[Any]:
        """What waits, as plain tensors."""
        batches = [batch.to(torch.device("cpu")) for batch in self.pending]
        return [(batch.views, batch.index) for batch in batches]

    def restore(self, state: list[Any]) -> None:
        """Take over what `state` gave."""
        self.pending = [Batch(views, index) for views, index in state]


def count_steps(trainer: pl.Trainer, accumulate: int) -> tuple[float, float]:
    """Training steps of an epoch and of the whole run; an epoch's last step may be a short one.

    Args:
        trainer: The trainer of the run.
        accumulate: Loader batches per training step.

    Returns:
        Both, infinite where there is no end.
    """
    trainer.fit_loop.setup_data()  # Lightning does not where only max_steps is given
    total = float(trainer.estimated_stepping_batches)
    batches = float(trainer.num_training_batches)
    epoch = float(math.ceil(batches / accumulate)) if math.isfinite(batches) else batches
    if accumulate > 1 and math.isfinite(total):  # max_steps counts steps, not batches
        epochs, steps = trainer.max_epochs, trainer.max_steps
        total = epoch * max(epochs, 1) if epochs not in (None, -1) else math.inf
        total = min(total, steps) if steps != -1 else total
    return epoch, total
