"""The gradients of a step as a CUDA graph: recorded once, replayed at no cost of the host."""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import is_not
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn

from ..distributed.collectives import world_size
from ..networks.functional_encoder import random_state
from .batch_formats import Batch
from .step_gradients import StepComputation, StepGradients

log = logging.getLogger(__name__)
Result = TypeVar("Result")
WARM_UP = 3
"""Steps that are computed as usual before the first recording: libraries choose kernels in them."""
MOST_RECORDINGS = 8
"""Recordings a run makes; each kind of step (size of the batch, logged or not) has one."""


class Recorder(Protocol):
    """Records what a function computes, to compute it again in the same memory."""

    def warm_up(self, function: Callable[[], Result]) -> Result:
        """Call as usual, where a recording will be made."""

    def record(self, function: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        """Record a call without computing it.

        Returns:
            What computes it, and its result: the memory into which it is computed.
        """


class CudaGraphs:
    """Records CUDA graphs that share their memory, on a stream of their own."""

    def __init__(self) -> None:
        self.stream: Any = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, function: Callable[[], Result]) -> Result:
        """Call on the stream of the recordings."""
        present = torch.cuda.current_stream()
        self.stream.wait_stream(present)
        with torch.cuda.stream(self.stream):
            result = function()
        present.wait_stream(self.stream)
        return result

    def record(self, function: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        """Capture a call."""
        graph = torch.cuda.CUDAGraph()
        # thread_local: the thread that pins batches in memory goes on meanwhile
        kind: Any = {"stream": self.stream, "capture_error_mode": "thread_local"}
        with torch.cuda.graph(graph, pool=self.pool, **kind):
            result = function()
        return graph.replay, result


@dataclass
class _Recording:
    batch: Batch
    replay: Callable[[], None]
    result: StepGradients


class GraphedStep:
    """A `StepComputation` that is recorded for each kind of step and replayed from then on.

    Numbers are those of the computation as it is. What cannot be recorded is computed as usual, and
    the reason is said once.

    Args:
        recorder: Records; None for CUDA graphs.
    """

    computation: StepComputation

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder
        self.recordings: dict[Hashable, _Recording] = {}
        self.warm: Counter[Hashable] = Counter()
        self.obstacle: str | None = None
        self.tensors: list[Tensor] = []

    def renew(self, computation: StepComputation) -> None:
        """Take a computation; recordings stay if its networks are still of the same tensors."""
        tensors = _tensors(computation)
        if len(tensors) != len(self.tensors) or any(map(is_not, tensors, self.tensors)):
            self.recordings.clear()
        self.computation, self.tensors = computation, tensors

    def __call__(
        self, batches: list[Batch], step: int, *, plain_generator: bool = True
    ) -> StepGradients:
        """Compute; see `StepComputation`. The result is overwritten by the next step."""

        def compute() -> StepGradients:
            return self.computation(batches, step, plain_generator=plain_generator)

        if self.obstacle is None:
            self._give_up(self._static_obstacle(batches))
        if self.obstacle is not None:
            return compute()
        (batch,) = batches
        key = self._key(batch, step, plain_generator)
        if key not in self.recordings:
            if self.warm.total() < WARM_UP or not self.warm[key]:
                self.warm[key] += 1
                return self._warm_up(batch, compute)
            if not self._record(key, batch, step, plain_generator):
                return compute()
        recording = self.recordings[key]
        for static, view in zip(recording.batch.views, batch.views, strict=True):
            static.copy_(view, non_blocking=True)
        recording.replay()
        return recording.result

    def _warm_up(self, batch: Batch, compute: Callable[[], StepGradients]) -> StepGradients:
        """A step as usual; find out whether the encoder draws random numbers in it."""
        device = batch.views[0].device
        if self.recorder is None:
            self.recorder = CudaGraphs()
        before = random_state(device)
        result = self.recorder.warm_up(compute)
        if not _same(before, random_state(device)):
            self._give_up("the encoder draws random numbers (dropout, drop path)")
        return result

    def _record(self, key: Hashable, batch: Batch, step: int, plain_generator: bool) -> bool:
        """Record a step of a kind; False if that failed."""
        assert self.recorder is not None
        if len(self.recordings) >= MOST_RECORDINGS:
            self._give_up(f"there are more than {MOST_RECORDINGS} kinds of steps or batch sizes")
            return False
        static = Batch([view.clone() for view in batch.views], None)
        computation = replace(self.computation, draws=False)

        def compute() -> StepGradients:
            with _without_cast_cache(batch.views[0].device.type):
                return computation([static], step, plain_generator=plain_generator)

        try:
            replay, result = self.recorder.record(compute)
        except RuntimeError as error:
            log.debug("recording failed", exc_info=True)
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            self._give_up(f"recording failed ({first_line})")
            return False
        self.recordings[key] = _Recording(static, replay, result)
        return True

    def _static_obstacle(self, batches: list[Batch]) -> str | None:
        """Why steps of this kind cannot be recorded, if they cannot."""
        computation = self.computation
        size = computation.micro_batch_size
        if self.recorder is None and batches[0].views[0].device.type != "cuda":
            return "there is no CUDA GPU"
        if world_size() > 1:
            return "several processes talk to each other within a step"
        if computation.meta.engine == "higher":
            return "engine 'higher' unrolls on the host; use engine 'exact'"
        if computation.memory_bank is not None:
            return "the memory bank draws on the host"
        if computation.draws_by_step:
            return "a latent augmentation draws on the host"
        if len(batches) > 1 or (size is not None and len(batches[0].views[0]) > size):
            return "a step has several batches or micro-batches"
        return None

    def _give_up(self, obstacle: str | None) -> None:
        if obstacle is not None:
            self.obstacle = obstacle
            self.recordings.clear()
            rank_zero_info(f"compile: steps are computed as usual, since {obstacle}")

    def _key(self, batch: Batch, step: int, plain_generator: bool) -> Hashable:
        """All that a recording depends on besides the values of tensors."""
        computation, meta = self.computation, self.computation.meta
        views = tuple((view.shape, view.stride(), view.dtype) for view in batch.views)
        kind = (meta, step % meta.every == 0, meta.audits(step), plain_generator)
        networks = (computation.encoder, computation.generator, computation.objective)
        parts = [part for network in networks if network is not None for part in network.modules()]
        settings = tuple(_settings(part) for part in parts)
        places = tuple((each.data_ptr(), each.requires_grad) for each in self.tensors)
        autocast = torch.is_autocast_enabled(batch.views[0].device.type)
        return views, kind, settings, places, autocast


def _tensors(computation: StepComputation) -> list[Tensor]:
    """Parameters and buffers, in whose place a recording computes."""
    slots = (computation.encoder_slots, computation.generator_slots)
    return [
        tensor
        for each in slots
        if each is not None
        for tensor in (*each.parameters.values(), *each.buffers)
    ]


def _settings(part: nn.Module) -> tuple[Any, ...]:
    """The plain numbers and choices among a module's attributes."""
    return tuple(
        value for value in vars(part).values() if isinstance(value, bool | int | float | str)
    )


def _same(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether two random states are equal."""
    return all(map(_equal, before, after))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple):
        return all(map(_equal, one, other))
    return bool(np.array_equal(one, other))


@contextmanager
def _without_cast_cache(device_type: str) -> Iterator[None]:
    """Autocast as it is, but weights are cast anew: a recording must not keep casts of others."""
    enabled = torch.is_autocast_enabled(device_type)
    dtype = torch.get_autocast_dtype(device_type)
    with torch.autocast(device_type, enabled=enabled, dtype=dtype, cache_enabled=False):
        yield
