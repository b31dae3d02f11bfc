"""A training loader that goes on where a stopped run left off."""

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader

from .samplers import TrainSampler


class TrainLoader(DataLoader):
    """`DataLoader` over a `TrainSampler`, with a position in the epoch.

    Lightning makes the first iterator before it knows where the run stands, and restores a stopped
    run's counters after that. So nothing is read until the first batch is asked for.

    Args:
        args: As for `DataLoader`.
        position: Number of batches of the current epoch that are done; asked once after a restart.
        kwargs: As for `DataLoader`.
    """

    def __init__(
        self, *args: Any, position: Callable[[], int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.position = position
        self._restarted = False

    def state_dict(self) -> dict[str, int]:
        """Tell Lightning that the loader can be resumed; the position itself is its loop's."""
        return {"batches": self.position() if self.position else 0}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Skip what is done when the next iterator starts."""
        self._restarted = True

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches."""
        sampler = self.sampler
        if isinstance(sampler, TrainSampler):
            restarted, self._restarted = self._restarted, False
            sampler.first_batch = self.position() if restarted and self.position else 0
        yield from super().__iter__()
