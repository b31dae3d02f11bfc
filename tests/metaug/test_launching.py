import pytest
import pytorch_lightning as pl
from metaug.callbacks import Checkpoint
from pytorch_lightning.callbacks import ModelCheckpoint

from metaug.launching import heed_several_processes, started_without_srun


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"SLURM_NTASKS": "4"}, True),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, False),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "4294967290"}, True),
        ({"SLURM_NTASKS": "4", "TORCHELASTIC_RUN_ID": "1"}, False),
    ],
    ids=["elsewhere", "batch script", "srun", "interactive step", "torchrun"],
)
def test_only_tasks_of_srun_are_slurms(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert started_without_srun() is expected


def trainer(callback, devices):
    return pl.Trainer(
        accelerator="cpu", devices=devices, strategy="ddp", callbacks=callback, logger=False
    )


def test_a_model_checkpoint_does_not_wait_for_other_processes():
    callback = ModelCheckpoint(save_on_exception=True)
    heed_several_processes(trainer(callback, 1))
    assert callback.save_on_exception
    two = trainer(callback, 2)
    with pytest.warns(UserWarning, match=r"waits for ever .* metaug\.callbacks\.Checkpoint"):
        heed_several_processes(two)
    assert not callback.save_on_exception


def test_a_checkpoint_of_ours_is_left():
    callback = Checkpoint(save_on_exception=True)
    heed_several_processes(trainer(callback, 2))
    assert callback.save_on_exception
