"""SLURM is asked to start a job again that it is about to end."""

import os
import subprocess
import sys

import pytorch_lightning as pl
from lightning_fabric.plugins.environments import SLURMEnvironment


def requeue_signal(trainer: pl.Trainer) -> int | None:
    """The signal by which SLURM says that time is nearly over; None where nothing is requeued.

    Args:
        trainer: Its cluster environment says so: `SLURMEnvironment(auto_requeue=True)`, as
            Lightning takes it in a task of `srun`, and SIGUSR1 if it names no other.
    """
    # not the strategy's: that of a single device has none
    environment = trainer._accelerator_connector.cluster_environment
    if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
        return environment.requeue_signal
    return None


def requeue_job() -> None:
    """Call `scontrol requeue` for this job, or this task of a job array."""
    job = os.environ["SLURM_JOB_ID"]
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
        line = f"SLURM starts job {job} again"
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        line = f"`scontrol requeue {job}` failed: {str(said).strip()}"
    print(f"metaug: {line}", file=sys.stderr, flush=True)
