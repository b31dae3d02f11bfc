"""The formats of a training batch that MetAug accepts, its own and those of other projects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ACCEPTED = (
    "MultiViewBatch(views, target, index), (views, target), (views, target, anything) as from "
    "lightly, (index, views, target) as from solo-learn, {'views': views}, where views is a list "
    "of two or more image batches [N, C, H, W], or as from stable-pretraining {'views': [{'image': "
    "images}, ...]}, {name: {'image': images}, ...} or {'image': images, 'sample_idx': index} with "
    "each index once for each view"
)


@dataclass(frozen=True)
class Batch:
    """A training batch in one format.

    Attributes:
        views: V image batches `[N, C, H, W]`.
        index: Dataset index of each instance, `[N]`, or None if the batch does not tell.
    """

    views: list[Tensor]
    index: Tensor | None

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        index = None if self.index is None else self.index.to(device)
        return Batch([view.to(device) for view in self.views], index)

    def split(self, size: int | None) -> list[tuple[Tensor, ...]]:
        """The views in micro-batches of at most `size` instances; None for one of all."""
        size = size or self.views[0].shape[0]
        return list(zip(*(view.split(size) for view in self.views), strict=True))

    def index_for_bank(self) -> Tensor:
        """The dataset index.

        Raises:
            ValueError: If the batch does not tell.
        """
        if self.index is None:
            raise ValueError(
                "a memory bank needs the dataset index of each instance, but the batch has none; "
                "yield MultiViewBatch(views, target, index) or (index, views, target)"
            )
        return self.index


def read_training_batch(batch: Any) -> Batch:
    """Bring a batch into one format.

    Args:
        batch: What a data loader yields.

    Raises:
        TypeError: If the batch has none of the accepted formats.
        ValueError: If there are fewer than two views, or they differ in their number of instances.
    """
    views: Any = None
    index: Any = None
    if isinstance(batch, Mapping):
        views, index = _read_mapping(batch)
    elif hasattr(batch, "views"):
        views, index = batch.views, getattr(batch, "index", None)
    elif isinstance(batch, Sequence) and len(batch) in (2, 3):
        if _is_views(batch[0]):
            views = batch[0]
        elif len(batch) == 3 and _is_views(batch[1]):
            index, views = batch[0], batch[1]
    if not _is_views(views):
        raise TypeError(f"a training batch must be {ACCEPTED}; got {_describe(batch)}")
    views = list(views)
    if len(views) < 2:
        raise ValueError(
            f"contrast needs at least 2 views of each instance, got {len(views)}; set the number "
            "of views of the data to 2 or more"
        )
    counts = [view.shape[0] for view in views]
    if len(set(counts)) > 1:
        raise ValueError(f"all views must have the same number of instances, got {counts}")
    return Batch(views, index if isinstance(index, Tensor) and index.ndim == 1 else None)


def _read_mapping(batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """What may be the views of a mapping, and the index."""
    views, index = batch.get("views", batch.get("image")), _index(batch)
    if views is None:  # views by name
        views = batch
    images = batch.get("image")
    if views is images and isinstance(images, Tensor) and isinstance(index, Tensor):
        return _unfold(images, index) if index.shape == images.shape[:1] else (images, index)
    if isinstance(views, Mapping):
        views = list(views.values())
    if isinstance(views, list | tuple) and all(isinstance(view, Mapping) for view in views):
        index = _index(views[0]) if views and index is None else index
        views = [view.get("image") for view in views]
    return views, index


def _index(batch: Mapping[str, Any]) -> Any:
    return batch.get("index", batch.get("sample_idx"))


def _unfold(images: Tensor, index: Tensor) -> tuple[list[Tensor], Tensor]:
    """Views that stand one after the other, V times the same index, as V batches.

    The host waits for a GPU here: how many views there are lies in the index.

    Args:
        images: `[N V, C, H, W]`.
        index: Of the instance of each, `[N V]`.

    Raises:
        ValueError: If one index occurs more often than another.
    """
    order = index.argsort(stable=True)
    instances, counts = index[order].unique_consecutive(return_counts=True)
    most, least = int(counts.max()), int(counts.min())
    if most != least:
        raise ValueError(
            f"each sample_idx must occur once for each view, but one occurs {least} times and "
            f"another {most} times; let the batch size be a multiple of the number of views"
        )
    return list(images[order].unflatten(0, (-1, most)).unbind(1)), instances


def _is_views(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(view, Tensor) and view.ndim == 4 for view in value)


def _describe(value: Any, depth: int = 0) -> str:
    if isinstance(value, Tensor):
        return f"Tensor{list(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_describe(value[key], 1)}" for key in value) + "}"
    if isinstance(value, list | tuple) and depth < 3:
        return f"{type(value).__name__}({', '.join(_describe(item, depth + 1) for item in value)})"
    return type(value).__name__


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of all instances of several.

    Args:
        batches: Batches with the same number of views.
    """
    if len(batches) == 1:
        return batches[0]
    views = [torch.cat(parts) for parts in zip(*(batch.views for batch in batches), strict=True)]
    indices = [batch.index for batch in batches if batch.index is not None]
    return Batch(views, torch.cat(indices) if len(indices) == len(batches) else None)
