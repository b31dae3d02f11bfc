"""Gathered rows are in the order in which one process has them."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.ports import free_port

SCRIPT = """
import torch
import torch.distributed as dist
from torch.utils.data import DistributedSampler
from metaug.datamodules.loading.samplers import TrainSampler
from metaug.lightning_modules.distributed.processes import DistributedProcesses

dist.init_process_group("gloo")
rank, processes = dist.get_rank(), DistributedProcesses()

def rows(sampler):
    return torch.tensor([getattr(key, "index", key) for key in sampler][:4])

def train_rows(rank, world_size):
    return rows(TrainSampler(range(24), batch_size=4, rank=rank, world_size=world_size))

own = rows(DistributedSampler(range(24), seed=3))
one = torch.tensor(list(DistributedSampler(range(24), num_replicas=1, rank=0, seed=3))[:8])
assert torch.equal(processes.gather(own), one), (processes.gather(own), one)
assert torch.equal(processes.own(one), own)

values = torch.arange(24.0).view(4, 3, 2) + 100 * rank  # rows of more than one number
assert torch.equal(processes.own(processes.gather(values)), values)
assert processes.gather(values).shape == (8, 3, 2)

own = train_rows(rank, 2)
one = torch.tensor([key.index for key in TrainSampler(range(24), batch_size=8)][:8])
assert torch.equal(processes.gather(own), one), (processes.gather(own), one)
dist.destroy_process_group()
"""


def test_samplers_deal_rows_in_turn_and_gather_puts_them_back(tmp_path):
    script = Path(tmp_path, "order.py")
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={free_port()}", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
