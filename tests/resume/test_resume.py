"""A run that was killed and resumed equals one that never stopped, bit for bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.robustness.compare import compare, last_checkpoint, scores

from .cluster import JOB, sbatch

HERE = Path(__file__).parent
CONFIG = HERE / "tiny.yaml"
JOB_SCRIPT = HERE.parents[1] / "examples" / "slurm.sh"


def fit(folder: Path, *arguments: str, processes: int = 1):
    command = [sys.executable, "-m", "metaug", "fit", "--config", str(CONFIG), *arguments]
    if processes > 1:
        command += [f"--trainer.devices={processes}", "--trainer.strategy=ddp"]
        command += [f"--data.init_args.batch_size={256 // processes}"]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    """In the program to be: a shell has its background jobs, these tests perhaps, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_at(step: int, name: str, rank: int = 0) -> str:
    return (
        "--trainer.callbacks+="
        f'{{"class_path": "stopping.Stop", "init_args": {{"step": {step}, "name": "{name}", '
        f'"rank": {rank}}}}}'
    )


def assert_same_end(stopped: Path, never_stopped: Path) -> None:
    assert not compare(stopped, never_stopped)
    assert last_checkpoint(stopped)["global_step"] == 15
    expected = scores(never_stopped)
    assert ("val/knn_top1", 14) in expected
    assert ("val/linear_top1", 14) in expected


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("never")
    run = fit(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_in_the_second_epoch_and_resumed(workers, never_stopped, tmp_path):
    argument = f"--data.init_args.num_workers={workers}"
    killed = fit(tmp_path, argument, stop_at(8, "SIGKILL"))
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    resumed = fit(tmp_path, argument, "--ckpt_path=last")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert_same_end(tmp_path, never_stopped)


def test_sigterm_writes_a_checkpoint_of_that_very_step(never_stopped, tmp_path):
    stopped = fit(tmp_path, stop_at(8, "SIGTERM"))
    assert stopped.returncode == 143, stopped.stdout + stopped.stderr
    assert "Received SIGTERM" not in stopped.stderr
    assert last_checkpoint(tmp_path)["global_step"] == 8
    resumed = fit(tmp_path, "--ckpt_path=last")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert_same_end(tmp_path, never_stopped)


def test_slurm_job_is_requeued_and_goes_on(never_stopped, tmp_path):
    """Lightning's own handler would save in the middle of the step."""
    job = ("--config", str(CONFIG))
    stopped = sbatch(JOB_SCRIPT, tmp_path, *job, stop_at(8, "SIGUSR1"), path=HERE)
    assert stopped.returncode == 128 + signal.SIGUSR1, stopped.stdout + stopped.stderr
    folder = tmp_path / "jobs" / JOB
    assert last_checkpoint(folder)["global_step"] == 8
    told, saved = (tmp_path / "scontrol.txt").read_text().splitlines()
    assert told == f"requeue {JOB}"
    assert saved.endswith("last.ckpt")  # it was there when SLURM was told
    resumed = sbatch(JOB_SCRIPT, tmp_path, *job, path=HERE)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert_same_end(folder, never_stopped)
    assert not list(tmp_path.rglob("hpc_ckpt*"))
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [JOB]


def interrupt_at(step: int, times: int) -> str:
    arguments = f'"init_args": {{"step": {step}, "times": {times}}}'
    return f'--trainer.callbacks+={{"class_path": "stopping.Interrupt", {arguments}}}'


def test_ctrl_c_finishes_the_step_first(never_stopped, tmp_path):
    stopped = fit(tmp_path, interrupt_at(7, times=1))
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr
    assert "stopping after this step; Ctrl-C again stops at once" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert last_checkpoint(tmp_path)["global_step"] == 8
    resumed = fit(tmp_path, "--ckpt_path=last")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert_same_end(tmp_path, never_stopped)


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    stopped = fit(tmp_path, interrupt_at(7, times=2))
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr
    assert "updated one network and not the other" in stopped.stderr
    assert last_checkpoint(tmp_path)["global_step"] == 5  # the epoch's


@pytest.mark.long
def test_sigterm_to_one_process_of_two(tmp_path):
    """Lightning's launcher would kill process 0 if the one that it started ended with an error."""
    stopped = fit(tmp_path, stop_at(8, "SIGTERM", rank=1), processes=2)
    assert stopped.returncode == 143, stopped.stdout + stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert last_checkpoint(tmp_path)["global_step"] == 8


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
def test_one_process_of_two_killed_stops_the_other(rank, tmp_path):
    killed = fit(tmp_path, stop_at(8, "SIGKILL", rank), processes=2)
    assert killed.returncode != 0
    resumed = fit(tmp_path, "--ckpt_path=last", processes=2)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert last_checkpoint(tmp_path)["global_step"] == 15


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_faults_at_random_moments(processes, tmp_path):
    """A sample of the program; its reports have more. Batches wait for others of their step."""
    arguments = ["--faults=4", f"--processes={processes}", "--seed=3", f"--reports={tmp_path}"]
    arguments.append("--also=--model.init_args.accumulate=3")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.robustness", *arguments],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stdout + run.stderr
