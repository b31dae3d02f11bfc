"""Representations of data sets: encoded in evaluation mode, once, without a trace in training.

Shapes: `N` images, `F` representation features.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from ..distributed.collectives import all_max, gather_rows, rank
from .loaders import evaluation_loader, sampler_indices

Encode = Callable[[Tensor], Tensor]


class Features(NamedTuple):
    """Representations of the images that this process holds, in the order of their data set.

    Attributes:
        value: `[N, F]` float32 representations.
        target: `[N]` int64 labels, -1 where there is none.
        index: `[N]` int64 position in the data set, unique over all processes.
    """

    value: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]

    def labelled(self) -> "Features":
        """The part that has labels."""
        return self.take(self.target >= 0)

    def take(self, chosen: Tensor) -> "Features":
        """The part that a mask or an index tensor chooses."""
        return Features(*(part[chosen] for part in self))

    def gathered(self) -> "Features":
        """The features of all processes, on every process."""
        whole = Features(*(gather_rows(part) for part in self))
        order = whole.index.argsort()
        return Features(*(part[order] for part in whole))


@contextmanager
def evaluation(trainer: pl.Trainer, module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, in the trainer's precision, that leaves no trace.

    Train/eval mode is restored for each submodule, random state for torch, NumPy and Python.
    """
    modes = [(submodule, submodule.training) for submodule in module.modules()]
    stage = trainer.state.stage
    if trainer.training:  # data hooks that ask the trainer should not augment
        trainer.validating = True
    module.eval()
    try:
        with torch.no_grad(), isolate_rng(), trainer.precision_plugin.forward_context():
            yield
    finally:
        trainer.state.stage = stage
        for submodule, training in modes:
            submodule.training = training


def read_batch(batch: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Image, target and data-set index of an evaluation batch.

    Args:
        batch: an image tensor, `(image, target)`, `(image, target, index)`, anything longer, or a
            mapping with `image` and, if there are labels, `target` (`label`) and `index`.

    Returns:
        Image `[N, C, H, W]`, target `[N]` (-1 without labels) and index `[N]` (None if absent).

    Raises:
        TypeError: if the batch has none of these forms.
    """
    if isinstance(batch, Tensor):
        parts: list[Any] = [batch]
    elif isinstance(batch, Mapping):
        parts = [
            next((batch[key] for key in keys if key in batch), None)
            for keys in (("image", "images"), ("target", "label", "labels"), ("index",))
        ]
    else:
        parts = list(batch) if isinstance(batch, tuple | list) else [None]
    image, target, index = (*parts, None, None)[:3]
    if not isinstance(image, Tensor):
        raise TypeError(
            f"Probes read image tensors, (image, target), (image, target, index) or a mapping with "
            f"'image'; the batch is a {type(batch).__name__} whose image is a "
            f"{type(image).__name__}. Pass loaders of such batches as bank= and queries=."
        )
    if not _is_integer_row(target, len(image)):
        target = torch.full((len(image),), -1, device=image.device)
    known_index = index.long() if _is_integer_row(index, len(image)) else None
    return image, target.long(), known_index


def _is_integer_row(value: Any, length: int) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == (length,)
        and not value.is_floating_point()
        and not value.is_complex()
    )


def encode_batch(trainer: pl.Trainer, encode: Encode, batch: Any, index: Tensor | None) -> Features:
    """Representations of one batch that is already on the device.

    Args:
        trainer: gives the precision.
        encode: image `[N, C, H, W]` to representation `[N, F]`.
        batch: as in `read_batch`.
        index: data-set indices `[N]`, used where the batch has none of its own; -1 if unknown.
    """
    image, target, own_index = read_batch(trainer.precision_plugin.convert_input(batch))
    value = encode(image)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"Probes need forward(image) to return a representation tensor [N, F]; it returned a "
            f"{type(value).__name__}. Return the backbone features from forward()."
        )
    value = value.detach().float().flatten(1)
    if own_index is None:
        own_index = torch.full((len(image),), -1) if index is None else index
    return Features(value, target, own_index.to(value.device))


def pool(parts: list[Features], device: torch.device) -> Features:
    """Join batches; what the padding of a sampler repeated is dropped by its index.

    Every process calls it, with any number of batches, also none. An image that several processes
    hold stays on the first of them.
    """
    width = all_max(parts[0].value.shape[1] if parts else 0, device)
    nothing = Features(
        torch.zeros(0, width, device=device),
        torch.zeros(0, dtype=torch.long, device=device),
        torch.zeros(0, dtype=torch.long, device=device),
    )
    value, target, index = (torch.cat(column) for column in zip(nothing, *parts, strict=True))
    indices = gather_rows(index)
    offset = int(gather_rows(torch.tensor([len(index)], device=device))[: rank()].sum())
    position = torch.arange(offset, offset + len(index), device=device)
    if bool((indices < 0).any()):
        return Features(value, target, position)
    order = indices.argsort(stable=True)
    first = torch.ones(len(order), dtype=torch.bool, device=device)
    first[1:] = indices[order][1:] != indices[order][:-1]
    keep = torch.zeros_like(first)
    keep[order[first]] = True
    mine = keep[position].nonzero().squeeze(1)
    mine = mine[index[mine].argsort()]
    return Features(value[mine], target[mine], index[mine])


def extract(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    loader: Iterable[Any],
    encode: Encode | None = None,
    max_batches: int | None = None,
) -> Features:
    """Representations of all images of a loader, each process its own shard.

    Args:
        trainer: gives device, precision and the hooks that move batches.
        module: its evaluation mode is used and restored.
        loader: see `evaluation_loader` for what is done about shuffling and sharding.
        encode: image `[N, C, H, W]` to representation `[N, F]`; `module` itself if None.
        max_batches: read no more batches than this.
    """
    loader = evaluation_loader(loader)
    known = sampler_indices(loader)
    parts: list[Features] = []
    seen = 0
    with evaluation(trainer, module):
        for batch in islice(loader, max_batches):
            moved = trainer.strategy.batch_to_device(batch)
            count = len(read_batch(moved)[0])
            index = None if known is None else torch.tensor(known[seen : seen + count])
            parts.append(encode_batch(trainer, encode or module, moved, index))
            seen += count
    return pool(parts, module.device)
