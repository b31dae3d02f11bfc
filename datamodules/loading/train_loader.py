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
        position: Number of batches of the epoch to skip, asked when the first batch is read.
        kwargs: As for `DataLoader`.
    """

    def __init__(
        self, *args: Any, position: Callable[[], int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.position = position

    def state_dict(self) -> dict[str, int]:
        """Tell Lightning that the loader can be resumed; the position is the data module's."""
        return {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Nothing: see `state_dict`."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches."""
        sampler = self.sampler
        if isinstance(sampler, TrainSampler):
            sampler.first_batch = self.position() if self.position else 0
        yield from super().__iter__()
