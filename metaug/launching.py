"""What a trainer needs to know of how its processes were started."""

import os
import warnings

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from metaug.callbacks import Checkpoint

# SLURM's numbers of steps that are no tasks of srun: the batch script and interactive shells
_FIRST_SPECIAL_STEP = 4_294_967_290


def started_without_srun() -> bool:
    """Whether this is a SLURM job's shell or script itself, not one of the tasks that srun starts.

    There Lightning would wait for the job's other tasks, which nobody starts.
    """
    step = os.environ.get("SLURM_STEP_ID", "")
    is_task = step.isdigit() and int(step) < _FIRST_SPECIAL_STEP
    torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    return "SLURM_NTASKS" in os.environ and not is_task and not torchrun


def heed_several_processes(trainer: Trainer) -> None:
    """Keep a `ModelCheckpoint` from waiting for processes that are elsewhere after an error.

    Args:
        trainer: Changed in place.
    """
    for callback in trainer.checkpoint_callbacks:
        waits = isinstance(callback, ModelCheckpoint) and not isinstance(callback, Checkpoint)
        if (
            trainer.num_devices * trainer.num_nodes > 1
            and waits
            and getattr(callback, "save_on_exception", False)
        ):
            callback.save_on_exception = False  # type: ignore[attr-defined]
            warnings.warn(
                "ModelCheckpoint(save_on_exception=True) waits for ever on several processes "
                "and is switched off; metaug.callbacks.Checkpoint takes its place, same arguments",
                stacklevel=2,
            )
