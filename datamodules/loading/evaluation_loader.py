"""An evaluation loader whose transform may be made on the model's device."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from .batch import LabelledBatch
from .dataset import EvaluationDataset


class EvaluationLoader(DataLoader):
    """`DataLoader` over an `EvaluationDataset`; what it gives does not depend on who made it.

    Args:
        args: As for `DataLoader`.
        device: Where raw images go for their transform.
        kwargs: As for `DataLoader`.
    """

    def __init__(self, *args: Any, device: torch.device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = device

    def __iter__(self) -> Iterator[LabelledBatch]:  # type: ignore[override]
        """Yield batches; of raw images the transformed ones, on the device."""
        dataset = self.dataset
        for batch in super().__iter__():
            if isinstance(dataset, EvaluationDataset) and dataset.raw:
                raw = batch.image.to(self.device, non_blocking=self.device.type == "cuda")
                batch = batch._replace(image=dataset.views.evaluate(raw, dataset.size))
            yield batch
