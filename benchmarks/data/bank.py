"""What kNN on a bank of ImageNet's size takes on one GPU or several: counted, not timed.

    python -m benchmarks.data.bank

The search runs here on a few of its blocks, whose operations and tensors are counted; all of its
blocks are alike, so the sums for the whole bank follow. Times are lower bounds: counted operations
and bytes over what a data sheet gives. A report goes to `benchmarks/data/reports/`.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any

import torch
from metaug.callbacks.probing.neighbors import nearest
from metaug.lightning_modules.evaluation.features import pool
from metaug.lightning_modules.evaluation.labeled import Features
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import describe_machine
from benchmarks.memory import AllocatedMemory

REPORTS = Path(__file__).parent / "reports"
QUERIES, BANK = 512, 8192  # of a block, as `knn_predict` has them
K = 200
GPUS = {"H100 SXM": (67e12, 3.35e12), "A100 80 GB": (19.5e12, 2.04e12)}  # data sheets: FP64, bytes


class Moved(TorchDispatchMode):
    """Bytes that all operations under it read and write, in `bytes`: none are fused."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and count; a view of a tensor moves nothing."""
        output = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [each for each in tree_iter((args, output)) if isinstance(each, torch.Tensor)]
            self.bytes += sum(each.nbytes for each in tensors)
        return output


@dataclass
class Block:
    """What a block of the search takes.

    Attributes:
        operations: Floating-point operations of its products.
        moved: Bytes read and written.
        peak: Largest bytes of its tensors beside the bank, for banks of 2, 4 and 8 blocks.
        pooled: Largest bytes while a bank is put together, over those of the bank.
    """

    operations: float
    moved: float
    peak: list[int]
    pooled: float


def features(rows: int, width: int) -> Features:
    """Random features with labels."""
    index = torch.arange(rows)
    return Features(torch.randn(rows, width), index % 1000, index)


def peak(run: Callable[[], object]) -> int:
    """Largest bytes of the tensors that a call makes."""
    with AllocatedMemory() as memory:
        run()
    return memory.most


def count(width: int) -> Block:
    """Run some blocks and count.

    Args:
        width: Numbers of a feature.
    """
    queries = torch.randn(QUERIES, width)

    def search(blocks: int) -> Callable[[], object]:
        bank = features(blocks * BANK, width)
        return lambda: nearest(queries, bank, K, "cosine", BANK)

    sums = []
    for blocks in (2, 4):
        run = search(blocks)
        with FlopCounterMode(display=False) as operations, Moved() as moved:
            run()
        sums.append((operations.get_total_flops(), moved.bytes))
    first, second = sums
    parts = [features(BANK // 8, width)._replace(index=torch.arange(BANK // 8) + i * BANK // 8)
             for i in range(8)]  # fmt: skip
    own = sum(each.nbytes for part in parts for each in part)
    pooled = own + peak(lambda: pool(parts, torch.device("cpu")))
    return Block(
        operations=(second[0] - first[0]) / 2,
        moved=(second[1] - first[1]) / 2,
        # slices of the bank show its storage among what is made
        peak=[peak(search(blocks)) - blocks * BANK * (4 * width + 16) for blocks in (2, 4, 8)],
        pooled=pooled / own,
    )


def row(width: int, block: Block, bank: int, queries: int, processes: int) -> str:
    """A row of the table: memory and work of one process.

    Args:
        width: Numbers of a feature.
        block: What a block takes.
        bank: Images of the bank, over all processes.
        queries: Queries, over all processes.
        processes: Number of processes.
    """
    share = ceil(bank / processes)
    blocks = ceil(share / BANK) * ceil(queries / QUERIES)
    held = share * (4 * width + 16)
    times = [
        max(block.operations * blocks / speed, block.moved * blocks / bytes_per_second)
        for speed, bytes_per_second in GPUS.values()
    ]
    cells = [
        f"{width:,}", f"{processes}", f"{held / 2**30:.2f}", f"{block.pooled * held / 2**30:.2f}",
        f"{max(block.peak) / 2**20:.0f}", f"{block.operations * blocks / 1e12:,.0f}",
        f"{block.moved * blocks / 1e12:.1f}", *(f"{time:.1f}" for time in times),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Count, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", type=int, default=1_281_167, help="images of the bank")
    parser.add_argument("--queries", type=int, default=50_000, help="images to classify")
    arguments = parser.parse_args()
    command = f"python -m benchmarks.data.bank --bank {arguments.bank}"
    command += f" --queries {arguments.queries}"
    lines = [
        f"# kNN on a bank of {arguments.bank:,} images, counted, {date.today()}", "",
        *describe_machine(command), "",
        f"{arguments.queries:,} queries, k = {K}, blocks of {QUERIES} queries by {BANK:,} images "
        "of the bank. The bank lies in float32 on the device and is compared in float64. Bytes are "
        "of all operations, none fused. Times are lower bounds, what is counted over a sheet's "
        f"FP64 rate and bandwidth ({'; '.join(f'{n}: {f / 1e12:g} TFLOP/s, {b / 1e12:g} TB/s' for n, (f, b) in GPUS.items())}); "  # noqa: E501
        "encoding the images comes on top. All of it per process.", "",
        "| features | processes | bank, GiB | most while it is put together, GiB | search, MiB "
        "| products, TFLOP | moved, TB | " + " | ".join(f"{name}, s" for name in GPUS) + " |",
        "|--:|--:|--:|--:|--:|--:|--:|" + "--:|" * len(GPUS),
    ]  # fmt: skip
    for width in (512, 2048):
        block = count(width)
        for processes in (1, 8):
            lines.append(row(width, block, arguments.bank, arguments.queries, processes))
        sizes = ", ".join(f"{size / 2**20:.1f}" for size in block.peak)
        lines.append(f"<!-- {width}: search on banks of 2, 4 and 8 blocks: {sizes} MiB -->")
    notes = [line for line in lines if line.startswith("<!--")]
    lines = [line for line in lines if not line.startswith("<!--")]
    lines += ["", "The search's memory beside the bank does not grow with it:", ""]
    lines += [f"- {note.removeprefix('<!-- ').removesuffix(' -->')}" for note in notes]
    report = "\n".join(lines)
    (REPORTS / f"{date.today()}-bank.md").write_text(report + "\n")
    print(report)


if __name__ == "__main__":
    main()
