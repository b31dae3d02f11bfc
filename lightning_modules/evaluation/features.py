"""Features of data sets: encoded in evaluation mode, once, with no side effects on training.

Shapes: `N` images, `F` features. No side effects means that modes, random state and gradients are
as before.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from ..distributed.collectives import all_max, all_sum, gather_rows, rank
from ..networks.modes import evaluation_mode
from .labeled import Features, read_batch
from .loaders import evaluation_loader, sampler_indices

Encode = Callable[[Tensor], Tensor]


@contextmanager
def evaluation(trainer: pl.Trainer, module: nn.Module) -> Iterator[None]:
    """Evaluation without gradients, in the trainer's precision, with no side effects on training.

    Train/eval mode is restored for each submodule, random state for torch, NumPy and Python.

    Args:
        trainer: Gives the precision.
        module: What evaluates.
    """
    stage = trainer.state.stage
    if trainer.training:  # data hooks that ask the trainer should not augment
        trainer.validating = True
    try:
        with (
            evaluation_mode(module),
            isolate_rng(),
            trainer.precision_plugin.forward_context(),
        ):
            yield
    finally:
        trainer.state.stage = stage


def encode_batch(
    trainer: pl.Trainer, encode: Encode, batch: Any, index: Tensor | None = None
) -> Features:
    """Features of one batch that is already on the device.

    Args:
        trainer: Gives the precision.
        encode: Maps images `[N, C, H, W]` to features `[N, F]`.
        batch: As in `read_batch`.
        index: Data-set indices `[N]` for a batch that has none of its own; -1 if unknown.

    Raises:
        TypeError: If the features are not a tensor.
    """
    images = read_batch(trainer.precision_plugin.convert_input(batch), index)
    value = encode(images.value)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"evaluation needs forward(image) to return a tensor of features [N, F]; it returned "
            f"a {type(value).__name__}. Return the backbone features from forward(), or give the "
            "callback representation=, a part of the module or a function of module and images"
        )
    return images._replace(value=value.detach().float().flatten(1))


def pool(parts: list[Features], device: torch.device) -> Features:
    """Join batches; what the padding of a sampler repeated is dropped by its index.

    Every process calls it, with any number of batches, also none. An image that several processes
    hold stays on the first of them.

    Args:
        parts: Features of batches, on any one device, where they stay. The list is emptied, so that
            at most two copies of them are held at a time.
        device: What the processes communicate by.

    Returns:
        This process's features, sorted by index; where an index is not known, in the order of the
        processes and their batches, numbered over all of them.
    """
    width = all_max(parts[0].value.shape[1] if parts else 0, device)
    home = parts[0].value.device if parts else device
    no_integers = torch.zeros(0, dtype=torch.long, device=home)
    nothing = Features(torch.zeros(0, width, device=home), no_integers, no_integers)
    joined = Features(*(torch.cat(column) for column in zip(nothing, *parts, strict=True)))
    parts.clear()

    # position of this process's rows among the rows of all, [N]
    index = joined.index.to(device)
    indices = gather_rows(index)
    offset = int(gather_rows(torch.tensor([len(index)], device=device))[: rank()].sum())
    position = torch.arange(offset, offset + len(index), device=device)
    if bool((indices < 0).any()):
        return joined._replace(index=position.to(home))

    # of rows with one index the first is kept
    order = indices.argsort(stable=True)
    first = torch.ones(len(order), dtype=torch.bool, device=device)
    first[1:] = indices[order][1:] != indices[order][:-1]
    is_kept = torch.zeros_like(first)
    is_kept[order[first]] = True
    if bool(is_kept[position].all()) and bool((index.diff() > 0).all()):
        return joined
    rows = is_kept[position].nonzero().squeeze(1)
    return joined.take(rows[index[rows].argsort()])


def extract(
    trainer: pl.Trainer,
    module: nn.Module,
    loader: Iterable[Any],
    encode: Encode | None = None,
    max_batches: int | None = None,
    keep_on: torch.device | None = None,
) -> Features:
    """Features of all images of a loader, each process its own shard.

    Args:
        trainer: Gives device, precision and the hooks that move batches.
        module: Its evaluation mode is used and restored.
        loader: See `evaluation_loader` for what is done about shuffling and sharding.
        encode: Maps images `[N, C, H, W]` to features `[N, F]`; `module` itself if None.
        max_batches: Read no more batches than this.
        keep_on: Where to keep the features; where they are encoded if None.
    """
    loader = evaluation_loader(loader)
    known = sampler_indices(loader)
    parts: list[Features] = []
    seen = 0
    with evaluation(trainer, module):
        for batch in islice(loader, max_batches):
            moved = trainer.strategy.batch_to_device(batch)
            count = len(read_batch(moved).value)
            index = None if known is None else torch.tensor(known[seen : seen + count])
            features = encode_batch(trainer, encode or module, moved, index)
            parts.append(features if keep_on is None else features.to(keep_on))
            seen += count
    return pool(parts, trainer.strategy.root_device)


def evenly_spaced_sample(features: Features, most: int) -> Features:
    """At most about `most` of all processes' features, evenly spaced over the data set.

    Args:
        features: This process's features.
        most: About the greatest number of images, over all processes.

    Returns:
        The sample, in data-set order, the same on every number of processes.
    """
    count = torch.tensor(len(features.value), device=features.value.device)
    stride = max(1, -(-int(all_sum(count)) // most))
    return features.take(features.index % stride == 0).gathered()
