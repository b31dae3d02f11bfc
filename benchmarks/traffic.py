"""What a process gives to its collectives: messages and bytes, counted; also without any others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist

KINDS = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "all_gather_into_tensor": "all-gather",
    "all_gather_single": "all-gather",
    "_all_gather_base": "all-gather",
    "broadcast": "broadcast",
}
PAYLOAD = {"all_reduce": 0, "broadcast": 0}  # which argument is sent; of the others the second


class Done:
    """Stands for a collective that is over."""

    def wait(self) -> None:
        """Nothing to wait for."""


@dataclass
class Sums:
    """Messages and bytes so far.

    Attributes:
        messages: Number of calls.
        bytes: Of this process's own tensors, before the network's algorithm multiplies them.
    """

    messages: int = 0
    bytes: int = 0

    def add(self, count: int) -> None:
        """Count a message of so many bytes."""
        self.messages += 1
        self.bytes += count


@dataclass
class Traffic:
    """Counts within a `with` block, by kind: `all-reduce`, `all-gather`, `broadcast`.

    An asynchronous all-reduce, by which gradients are summed while they are computed, counts as
    `gradients`. What torch's own DistributedDataParallel sends is not seen.

    Args:
        pretended: Count as one of so many processes that do not exist, and send nothing; 0 for
            the processes that there are.
    """

    pretended: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._patches: list[Any] = []

    @property
    def total(self) -> Sums:
        """All kinds together."""
        sums = self.sums.values()
        return Sums(sum(each.messages for each in sums), sum(each.bytes for each in sums))

    def note(self, kind: str, count: int) -> None:
        """Count a message.

        Args:
            kind: Under which it counts.
            count: Its bytes.
        """
        self.sums.setdefault(kind, Sums()).add(count)

    def __enter__(self) -> "Traffic":
        """Begin."""
        replaced: dict[str, Callable[..., Any]] = {
            name: self._counted(name) for name in KINDS if hasattr(dist, name)
        }
        if self.pretended:
            replaced |= {
                "is_initialized": lambda: True,
                "get_world_size": lambda *_: self.pretended,
                "get_rank": lambda *_: 0,
            }
        self._patches = [mock.patch.object(dist, name, new) for name, new in replaced.items()]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        for patch in self._patches:
            patch.stop()

    def _counted(self, name: str) -> Callable[..., Any]:
        collective = getattr(dist, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            sent: torch.Tensor = args[PAYLOAD.get(name, 1)]
            summed = name == "all_reduce" and kwargs.get("async_op")
            self.note("gradients" if summed else KINDS[name], sent.nbytes)
            return Done() if self.pretended else collective(*args, **kwargs)

        return run
