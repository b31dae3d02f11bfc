"""Two processes see together, batch by batch, exactly what one process sees."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .see_on_processes import see

SCRIPT = Path(__file__).with_name("see_on_processes.py")


def together(runs):
    """The batches of all processes, put together."""
    return [
        [parts[0][0], parts[0][1], sorted(image for _, _, images in parts for image in images)]
        for parts in zip(*(run["train"] for run in runs), strict=True)
    ]


def run_on_two_processes(folder, *arguments):
    """What each of two processes saw, see `see_on_processes.py`."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node=2", str(SCRIPT), str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.timeout(300)
def test_two_processes_see_what_one_sees_also_when_resumed(tmp_path):
    two = run_on_two_processes(tmp_path)
    one = json.loads(json.dumps(see(tmp_path, "whole")))

    assert len(one["train"]) == 3 * 5
    assert together([run["whole"] for run in two]) == one["train"]
    assert sorted(two[0]["whole"]["val"] + two[1]["whole"]["val"]) == sorted(one["val"])
    assert sorted(one["val"]) == sorted(list(range(21)) * 3)
    assert together([run["held"] for run in two]) == one["train"]
    assert together([run["stop"] for run in two]) == one["train"][:7]
    assert together([run["resume"] for run in two]) == one["train"][7:]
    for images in (5, 1):
        assert sorted(index for run in two for index in run[f"val {images}"]["val"]) == sorted(
            list(range(images)) * 3
        )
