"""How many training steps an epoch and a run have."""

import math

import pytorch_lightning as pl


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
