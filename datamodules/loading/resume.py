"""Where a resumed run goes on among the batches of its epoch."""

import warnings
from collections.abc import Mapping

import pytorch_lightning as pl


class EpochPosition:
    """How many batches the first epoch after a resume skips.

    Lightning restores its loop's counters, which say how many batches are done. It hands the state
    of loaders on too, but only if they are made after it is read: a module that counts its steps in
    `configure_optimizers` has them made before. So the position is asked for by the loader, when
    the first batch is read.
    """

    def __init__(self) -> None:
        self._resumed = False

    def restore(self, saved: Mapping[str, int], order: Mapping[str, int]) -> None:
        """Go on in the epoch of a checkpoint; warn if this run's order of images is another.

        Args:
            saved: What the checkpoint says of the order; keys that `order` lacks are ignored.
            order: What this run's order depends on.
        """
        self._resumed = True
        for name, value in order.items():
            if saved.get(name, value) != value:
                warnings.warn(
                    f"The checkpoint was made with {name}={saved[name]}, this run has "
                    f"{name}={value}: the order of images starts anew instead of going on.",
                    stacklevel=3,
                )

    def batches_to_skip(self, trainer: pl.Trainer | None) -> int:
        """Batches that are done, in the first epoch after a resume; else none."""
        resumed, self._resumed = self._resumed, False
        if not resumed or trainer is None:
            return 0
        return trainer.fit_loop.epoch_loop.batch_progress.current.ready
