"""What each of several processes does for the part `several`; started by torchrun.

    torchrun --nproc_per_node N -m benchmarks.gpu.ranks FILE --out OUT --images FILE

The first process writes its results to FILE, each as soon as it is known.
"""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightly.loss import NTXentLoss
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.traffic import Traffic

from .context import Context
from .parts.step import build_module, time_module
from .problems import RandomBatches, fit, small_metaug
from .worker import add_context, context_of

KINDS = ("oucl", "simclr", "lookahead", "exact")
ROWS = ("lightly-cl", "recipe", "lookahead-recipe", "exact-recipe")
PER_PROCESS = 12
STEPS = 3


class OwnRows(Dataset):
    """The rows of each batch that belong to a process.

    Args:
        batches: Whole batches.
        rank: Of the process.
        world: How many there are.
    """

    def __init__(self, batches: RandomBatches, rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        batch = self.batches[index]
        views, *others = batch
        return type(batch)([self._own(view) for view in views], *map(self._own, others))

    def _own(self, values: Tensor) -> Tensor:
        return values.chunk(self.world)[self.rank]


def settings(world: int) -> dict[str, Any]:
    """Of the Trainer."""
    return {
        "devices": world,
        "strategy": "ddp" if world > 1 else "auto",
        "use_distributed_sampler": False,
    }


def states(context: Context, rank: int, world: int) -> dict[str, list[Tensor]]:
    """Parameters and statistics of small modules after three steps in float64, by kind."""
    ends = {}
    for kind in context.sized(KINDS, KINDS[-1:]):
        whole = RandomBatches(
            STEPS, PER_PROCESS * context.processes, 16, torch.float64, torch.device("cpu")
        )
        module = small_metaug(kind).double()
        fit(context, module, OwnRows(whole, rank, world), precision="64-true", **settings(world))
        tensors = module.state_dict().values()
        ends[kind] = [each.cpu() for each in tensors if each.is_floating_point()]
    return ends


class Counter(pl.Callback):
    """Counts messages of training steps."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.steps = 0

    def on_train_batch_start(self, *_: Any) -> None:
        """Count from here."""
        self.traffic.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        """To here."""
        self.traffic.__exit__(None, None, None)
        self.steps += 1


def times(context: Context, rank: int, world: int) -> dict[str, dict[str, Any]]:
    """What a step costs each process, at the same batch per process."""
    measured: dict[str, dict[str, Any]] = {}
    for name in context.sized(ROWS, ROWS[::2]):
        module: Any = build_module(context, name)
        more: dict[str, Any] = {}
        if name.startswith("lightly") and world > 1:
            module.criterion = NTXentLoss(temperature=0.5, gather_distributed=True)
            more["sync_batchnorm"] = context.on_gpu  # torch's own knows only GPUs
        counter = Counter()
        batch = context.sized(256, 8)
        step = time_module(context, module, batch, callbacks=(counter,), **settings(world), **more)
        total = counter.traffic.total
        gradients = sum(each.numel() * 4 for each in module.parameters() if each.requires_grad)
        extra = gradients if name.startswith("lightly") and world > 1 else 0  # by DDP, unseen
        measured[name] = step | {
            "messages": total.messages / counter.steps,
            "MB": (total.bytes / counter.steps + extra) / 1e6,
        }
    return measured


def main() -> None:
    """Do all, and write what the first process has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    add_context(parser)
    arguments = parser.parse_args()
    context = context_of(arguments)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if context.on_gpu:
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
        context = dataclasses.replace(context, device=own)
    results: dict[str, Any] = {}
    for task in (states, times):
        results[task.__name__] = task(context, rank, world)
        if rank == 0:
            torch.save(results, arguments.file)


if __name__ == "__main__":
    main()
