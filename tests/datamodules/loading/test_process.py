import gc
import os

import pytest
import torch
from metaug.datamodules import (
    FileSource,
    InMemorySource,
    MultiViewDataModule,
    SimCLRViews,
    Splits,
)
from metaug.datamodules.loading.process import count_workers, rank_and_world_size
from metaug.datamodules.views.one_view import OneView

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


def test_the_collector_of_a_worker_leaves_alone_what_it_shares():
    class Collected(InMemorySource):
        def read(self, indices):
            white = 255 * (gc.get_freeze_count() > 0)
            return torch.full((len(indices), 3, 8, 8), white, dtype=torch.uint8)

    class Data(MultiViewDataModule):
        def load(self):
            return Splits(train=Collected(torch.zeros(4, 3, 8, 8).byte()))

    data = Data(image_size=8, batch_size=4, num_workers=1, views=OneView(SimCLRViews()))
    (batch,) = data.train_dataloader()
    assert batch.views[0].min() > 0
    assert gc.get_freeze_count() == 0
