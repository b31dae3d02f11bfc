"""The loaders of one process of a run: its share of the images, and who reads them for it."""

import gc
import os
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist

from ..sources.image_source import ImageSource
from .dataset import EvaluationDataset, identity_collate
from .device import TrainingSet, device_of
from .evaluation_loader import EvaluationLoader
from .held import IndexDataset
from .samplers import EvaluationSampler, TrainSampler
from .train_loader import TrainLoader


def rank_and_world_size(trainer: pl.Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes, of a trainer or else of torch."""
    if trainer is not None:
        return trainer.global_rank, trainer.world_size
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def train_loader(
    dataset: TrainingSet,
    *,
    batch_size: int,
    num_workers: int | None,
    trainer: pl.Trainer | None,
    position: Callable[[], int],
) -> TrainLoader:
    """This process's share of every training batch, in a new order every epoch.

    Args:
        dataset: The training set.
        batch_size: Images per batch and process.
        num_workers: Processes that read; None lets `count_workers` decide. Images that are held on
            the device take none.
        trainer: Knows the processes of the run.
        position: Number of batches of the epoch to skip, asked when the first batch is read.
    """
    rank, world_size = rank_and_world_size(trainer)
    sampler = TrainSampler(
        dataset, batch_size=batch_size, seed=dataset.seed, rank=rank, world_size=world_size
    )
    num_workers = 0 if isinstance(dataset, IndexDataset) else num_workers
    arguments = _loader_arguments(dataset.source, num_workers, trainer, dataset.seed)
    return TrainLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=True,
        position=position,
        persistent_workers=arguments["num_workers"] > 0,
        **arguments,
    )


def evaluation_loader(
    dataset: EvaluationDataset,
    *,
    batch_size: int,
    num_workers: int | None,
    trainer: pl.Trainer | None,
    seed: int,
) -> EvaluationLoader:
    """This process's share of clean images, each exactly once over all processes.

    Args:
        dataset: The images.
        batch_size: Images per batch and process.
        num_workers: Processes that read; None lets `count_workers` decide.
        trainer: Knows the processes of the run, and the device.
        seed: Seed of the loader's generator.
    """
    rank, world_size = rank_and_world_size(trainer)
    return EvaluationLoader(
        dataset,
        device=device_of(trainer),
        batch_size=batch_size,
        sampler=EvaluationSampler(dataset, rank=rank, world_size=world_size),
        **_loader_arguments(dataset.source, num_workers, trainer, seed),
    )


def count_workers(source: ImageSource, trainer: pl.Trainer | None) -> int:
    """How many processes should read a source: none for images in memory, else one per CPU.

    Args:
        source: The images.
        trainer: Its processes on this machine share the CPUs, up to 8 for each.
    """
    if source.uniform:
        return 0
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
    processes = 1 if trainer is None else trainer.num_devices
    return min(8, max(1, cpus // processes))


def share_memory(worker: int) -> None:
    """Keep a worker's garbage collector off what the first process made.

    It writes to every object that it looks at, and a forked worker would get copies of all pages
    that it writes to: over 100 MiB of imported modules.

    Args:
        worker: Its number, which does not matter.
    """
    gc.freeze()


def _loader_arguments(
    source: ImageSource, num_workers: int | None, trainer: pl.Trainer | None, seed: int
) -> dict[str, Any]:
    return {
        "num_workers": count_workers(source, trainer) if num_workers is None else num_workers,
        "collate_fn": identity_collate,
        "worker_init_fn": share_memory,
        "pin_memory": torch.cuda.is_available(),
        # a generator of its own, so that loaders leave the global random state alone
        "generator": torch.Generator().manual_seed(seed),
    }
