"""On paper: what a step costs each of many GPUs, from counts of the project's own code.

    python -m benchmarks.scaling.paper                       # 1 and 32 nodes, some minutes
    python -m benchmarks.scaling.paper --nodes 1 4 --batch 32 --backbone vit_base_patch16_224

Operations, bytes and messages are counted (`counting.py`); times follow from rates that are assumed
and shown. Nothing is measured.
"""

import argparse
from dataclasses import dataclass

from .counting import EncoderCount, HeadCount, count_encoder, count_head

ENGINES = ("oucl", "lookahead", "exact")


@dataclass(frozen=True)
class Machine:
    """GPUs and what connects them; all rates are assumed.

    Attributes:
        nodes: Number of nodes.
        gpus: Of each node.
        tflops: TFLOP/s of the encoder's passes.
        memory: TB/s at which a GPU reads and writes its memory.
        link: GB/s of a GPU within a node.
        network: GB/s of a node.
        latencies: Microseconds of a small message within a node and between nodes.
    """

    nodes: int
    gpus: int = 8
    tflops: float = 100.0
    memory: float = 2.5
    link: float = 300.0
    network: float = 11.0
    latencies: tuple[float, float] = (20.0, 60.0)

    @property
    def world(self) -> int:
        """All GPUs."""
        return self.nodes * self.gpus

    @property
    def latency(self) -> float:
        """Microseconds of a small message between all GPUs."""
        return self.latencies[self.nodes > 1]

    def all_reduce_ms(self, size: float) -> float:
        """Summing `size` bytes: in rings, among the GPUs of each node and then among nodes."""
        within = 2 * (self.gpus - 1) / self.gpus * size / self.link
        between = 2 * (self.nodes - 1) / self.nodes * size / self.network
        return (within + between) / 1e6

    def all_gather_ms(self, size: float) -> float:
        """Gathering `size` bytes of each GPU: a node hears of the others over the network."""
        within = (self.gpus - 1) * size / self.link
        between = (self.nodes - 1) * self.gpus * size / self.network
        return (within + between) / 1e6


def column(machine: Machine, encoder: EncoderCount, head: HeadCount, batch: int) -> dict[str, str]:
    """What one GPU does in a step, by quantity.

    Args:
        machine: The GPUs.
        encoder: Counted.
        head: Counted.
        batch: Instances of a GPU.
    """
    sums = encoder.sums
    norms = sums.get("all-reduce") or sums["BatchNorm"]  # the project's own sums, or torch's
    gathered, summed = sums["all-gather"], sums["gradients"]
    is_own = "all-reduce" in sums
    norms_ms = (machine.all_reduce_ms if is_own else machine.all_gather_ms)(norms.bytes)
    norms_ms += norms.messages * machine.latency / 1e3
    gathered_ms = machine.all_gather_ms(gathered.bytes)
    gathered_ms += gathered.messages * machine.latency / 1e3
    encoder_ms = encoder.flops / machine.tflops / 1e9
    head_ms = head.bytes / machine.memory / 1e9
    return {
        "global batch G": f"{machine.world * batch:,}",
        "encoder: TFLOP": f"{encoder.flops / 1e12:.1f}",
        f"encoder: ms, at {machine.tflops:g} TFLOP/s": f"{encoder_ms:.0f}",
        "objective of all G instances: blocks of rows": f"{head.blocks}",
        "objective: TFLOP in float32": _short(head.flops / 1e12),
        "objective: GB read and written": _short(head.bytes / 1e9),
        f"**objective: ms, at {machine.memory:g} TB/s**": f"**{_short(head_ms)}**",
        "objective, if its rows were shared out: ms": _short(head_ms / machine.world),
        "objective: peak memory, GB": f"{head.peak / 1e9:.2f}",
        "features: messages": f"{gathered.messages}",
        "features: MB of a gathered batch": f"{machine.world * batch * 2 * 128 * 4 / 1e6:.1f}",
        "features: ms": f"{gathered_ms:.2f}",
        "BatchNorm: messages": f"{norms.messages}",
        "BatchNorm: MB given to them": f"{norms.bytes / 1e6:.2f}",
        f"BatchNorm: ms, {machine.latency:g} µs a message and its bytes": f"{norms_ms:.1f}",
        "gradients: all-reduces of the whole": f"{summed.bytes / 4 / encoder.parameters:.0f}",
        "gradients: MB": f"{summed.bytes / 1e6:.0f}",
        "gradients: ms, most of it behind the backward pass": (
            f"{machine.all_reduce_ms(summed.bytes):.1f}"
        ),
    }


def _short(value: float) -> str:
    """Three digits, or whole numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def tables(nodes: list[int], batch: int, backbone: str, size: int) -> list[str]:
    """A table per number of nodes, a column per engine.

    Args:
        nodes: Numbers of nodes.
        batch: Instances of a GPU.
        backbone: A timm model.
        size: Edge of the images in pixels.
    """
    lines = []
    for count in nodes:
        machine = Machine(count)
        columns = []
        for engine in ENGINES:
            encoder = count_encoder(engine, machine.world, batch, backbone=backbone, size=size)
            head = count_head(engine, machine.world, batch)
            columns.append(column(machine, encoder, head, batch))
        where = f"{count} node{'s' if count > 1 else ''} × {machine.gpus} GPUs"
        lines += [
            f"| {where}, {batch} instances and 2 views each: {backbone}, {size} pixels "
            f"| {' | '.join(ENGINES)} |",
            "|---|--:|--:|--:|",
            *(
                f"| {name} | {' | '.join(column[name] for column in columns)} |"
                for name in columns[0]
            ),
            "",
        ]
        print("\n".join(lines[-len(columns[0]) - 3 :]), flush=True)
    return lines


def main() -> None:
    """Count and show the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--batch", type=int, default=128, help="instances of a GPU")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=224, help="edge of the images in pixels")
    arguments = parser.parse_args()
    tables(arguments.nodes, arguments.batch, arguments.backbone, arguments.size)


if __name__ == "__main__":
    main()
