"""A SLURM that is two small programs: `srun` of one task, and `scontrol`, which takes a note."""

import os
import subprocess
import sys
from pathlib import Path

JOB = "4711"
SRUN = """#!/bin/bash
export SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0
exec "$@"
"""
SCONTROL = f"""#!/bin/bash
echo "$@" >> {{notes}}
find {{folder}}/jobs/{JOB} -name 'last*.ckpt' >> {{notes}}
"""
METAUG = f"""#!/bin/bash
exec {sys.executable} -m metaug "$@"
"""


def sbatch(script: Path, folder: Path, *arguments: str, path: Path) -> subprocess.CompletedProcess:
    """Run a job script in `folder` as SLURM would, on one node with one task.

    Args:
        script: With its arguments.
        folder: Where it runs; `scontrol.txt` says what the job told SLURM, and what lay there then.
        arguments: Of the script.
        path: A folder for Python to find modules in.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    notes = {"notes": folder / "scontrol.txt", "folder": folder}
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL.format(**notes)), ("metaug", METAUG)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_ID": JOB,
        "SLURM_JOB_NAME": "metaug",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": "1",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NODELIST": "localhost",
    }
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)}
    return subprocess.run(
        ["bash", str(script), *arguments],
        cwd=folder,
        env={**os.environ, **slurm, **own, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
