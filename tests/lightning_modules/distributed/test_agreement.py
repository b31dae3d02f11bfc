import subprocess
import sys

from benchmarks.ports import free_port

from .test_processes import environment

SIZES = """
import os, sys
import torch.distributed as dist
from metaug.lightning_modules.distributed.agreement import check_batch_sizes, tell_all
rank, port = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
print(tell_all([rank, 7]))
check_batch_sizes(3)
try:
    check_batch_sizes(5 - rank)
except ValueError as error:
    print(error)
"""


def test_batches_of_other_sizes_are_an_error_on_all_processes():
    port = str(free_port())
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SIZES, str(rank), port],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert outputs[0] == outputs[1]
    assert "[[0, 7], [1, 7]]" in outputs[0]
    assert "the processes' batches have 5 and 4 images" in outputs[0]
    assert "drop_last=True" in outputs[0]
