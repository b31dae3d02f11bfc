import os

import pytest
import torch
from metaug.datamodules import FileSource, InMemorySource
from metaug.datamodules.loading.process import count_workers, rank_and_world_size

IN_MEMORY = InMemorySource(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))


class Trainer:
    global_rank, world_size, num_devices = 3, 8, 4


def test_processes_are_those_of_the_trainer():
    assert rank_and_world_size(Trainer()) == (3, 8)
    assert rank_and_world_size(None) == (0, 1)


@pytest.mark.parametrize(("cpus", "alone", "shared"), [(1, 1, 1), (12, 8, 3), (64, 8, 8)])
def test_workers_share_the_cpus(monkeypatch, cpus, alone, shared):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)), raising=False)
    files = FileSource(["a.png"])
    assert count_workers(files, None) == alone
    assert count_workers(files, Trainer()) == shared
    assert count_workers(IN_MEMORY, None) == 0
