"""The work of a training step of one process among many, counted without doing it.

The project's own code runs on tensors without values (`FakeTensorMode`), as one process of a world
that does not exist, whose collectives are counted and send nothing.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from metaug.lightning_modules import Encoder, MetaStep
from metaug.lightning_modules.distributed.batch_norm import synchronize_batch_norm
from metaug.lightning_modules.objectives.row_blocks import BatchObjective
from metaug.lightning_modules.training.batch_formats import Batch
from metaug.lightning_modules.training.step_gradients import StepComputation
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from benchmarks.gpu.recipe import instantiate, model_arguments
from benchmarks.memory import AllocatedMemory
from benchmarks.traffic import Sums, Traffic

VIEWS = 2
FIRST_ORDER = ("oucl", "lookahead", "first_order")
"""Engines whose encoder gets torch's own `SyncBatchNorm` on GPUs."""


class Work(TorchDispatchMode):
    """Counts floating-point operations, and bytes that operations read and write.

    Each operation reads its operands from memory and writes its result there, as it does outside
    of a compiler; views cost nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and count."""
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            count = flop_registry[func._overloadpacket]
            self.flops += count(*args, **(kwargs or {}), out_val=output)
        if not func.is_view:
            tensors = {id(each): each for each in tree_iter((args, kwargs, output))}.values()
            self.bytes += sum(_size(each) for each in tensors if isinstance(each, Tensor))
        return output


def _size(tensor: Tensor) -> int:
    """Bytes of a tensor; what is repeated by a view lies in memory once."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())


@dataclass(frozen=True)
class HeadCount:
    """Everything after the features, of one process.

    Attributes:
        flops: Floating-point operations of matrix products.
        bytes: What is read and written.
        peak: Greatest memory, in bytes.
        blocks: Blocks of rows that the objective is evaluated in.
    """

    flops: float
    bytes: float
    peak: float
    blocks: int


@dataclass(frozen=True)
class EncoderCount:
    """The encoder's passes and the messages, of one process.

    Attributes:
        parameters: Of the encoder.
        layers: BatchNorm layers.
        flops: Floating-point operations.
        sums: Messages and bytes given to collectives, by kind.
    """

    parameters: int
    layers: int
    flops: float
    sums: dict[str, Sums]


class FixedFeatures(nn.Module):
    """Stands for an encoder that costs nothing.

    Args:
        count: Instances.
        size: D.
    """

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.features = torch.empty(count, VIEWS, size)
        self.num_views = VIEWS
        self.feature_dim = size

    def forward(self, views: list[Tensor]) -> Tensor:
        """The features `[n, V, D]`, whatever the views."""
        return self.features * self.scale


class FreeObjective(nn.Module):
    """Stands for an objective that costs next to nothing."""

    def forward(self, features: Tensor, augment: Callable[[Tensor], Tensor] | None) -> Tensor:
        """A scalar that depends on encoder and generator."""
        return (features if augment is None else features * augment(features)).mean()


def count_head(engine: str, world: int, batch: int) -> HeadCount:
    """Count everything after the features, for the global batch.

    Args:
        engine: Of the meta step, or `oucl` for a plain step without a generator.
        world: Processes.
        batch: Instances of each.
    """
    given = model_arguments()
    work, memory = Work(), AllocatedMemory()
    with without_values():
        encoder = FixedFeatures(batch, 128)
        generator = None if engine == "oucl" else instantiate(given["generator"])
        objective = instantiate(given["objective"])
        with Traffic(world), memory, work:
            take_step(engine, encoder, generator, objective, encoder.features[:, :, None])
    rows = BatchObjective(objective, generator, world * batch, VIEWS)
    return HeadCount(work.flops, work.bytes, memory.most, len(rows.blocks))


def count_encoder(
    engine: str, world: int, batch: int, *, backbone: str = "resnet50", size: int = 224
) -> EncoderCount:
    """Count the encoder's passes and all messages.

    Args:
        engine: Of the meta step, or `oucl` for a plain step without a generator.
        world: Processes.
        batch: Instances of each.
        backbone: A timm model.
        size: Edge of the images in pixels.
    """
    work, traffic = Work(), Traffic(world)
    with without_values():
        encoder: nn.Module = Encoder(backbone, projection_dim=128)
        generator = None if engine == "oucl" else instantiate(model_arguments()["generator"])
        if world > 1 and engine in FIRST_ORDER:
            _note_native(encoder, traffic)
        elif world > 1:
            synchronize_batch_norm(encoder, native=False)
        images = torch.empty(batch, VIEWS, 3, size, size)
        with traffic, work:
            take_step(engine, encoder, generator, FreeObjective(), images)
        parameters = sum(each.numel() for each in encoder.parameters())
        layers = sum(isinstance(each, _BatchNorm) for each in encoder.modules())
    return EncoderCount(parameters, layers, work.flops, traffic.sums)


@contextmanager
def without_values() -> Iterator[None]:
    """New tensors have shapes and no values; none of them stays behind in the project's caches."""
    _clear_caches()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        _clear_caches()


def _clear_caches() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("metaug.lightning_modules."):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def take_step(
    engine: str,
    encoder: nn.Module,
    generator: nn.Module | None,
    objective: nn.Module,
    images: Tensor,
) -> None:
    """The gradients of a step between logged ones, as `MetAug` computes them."""
    meta = MetaStep(engine="lookahead" if engine == "oucl" else engine)  # type: ignore[arg-type]
    compute = StepComputation(encoder, generator, objective, None, meta, None)
    compute([Batch(list(images.unbind(1)), None)], 0, plain_generator=False)


def _note_native(module: nn.Module, traffic: Traffic) -> None:
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.register_forward_hook(lambda layer, given, output: _note(layer, output, traffic))


def _note(layer: _BatchNorm, output: Tensor, traffic: Traffic) -> None:
    """What torch's `SyncBatchNorm`, which needs a real GPU, would send (torch 2.11 to 2.14).

    Each forward pass gathers mean, deviation and count, each backward pass sums two vectors.
    """
    traffic.note("BatchNorm", 4 * (2 * layer.num_features + 1))
    if output.requires_grad:
        output.register_hook(lambda grad: traffic.note("BatchNorm", 8 * layer.num_features))
