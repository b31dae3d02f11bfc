"""Which steps are logged."""

import pytorch_lightning as pl


def is_logged(trainer: pl.Trainer, accumulate: int = 1) -> bool:
    """Whether what this step logs will be read: by loggers, or at the end of the epoch.

    Reading a value waits for a GPU and computing it costs launches, so steps between two logged
    ones do neither.

    Args:
        trainer: The trainer at work.
        accumulate: Loader batches per training step; the last one's values stand for all until
            the next step.
    """
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    if trainer.is_last_batch or trainer.global_step == 0 or trainer.should_stop:
        return True
    batch = trainer.fit_loop.epoch_loop._batches_that_stepped + 1
    return bool(every) and -batch % every < accumulate
