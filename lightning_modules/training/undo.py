"""A training step that fails leaves the model as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..networks.functional_encoder import copies, random_state, set_random_state
from .accumulation import Accumulation
from .batch_formats import Batch


@contextmanager
def undone_on_error(
    modules: list[nn.Module], accumulation: Accumulation, batches: list[Batch]
) -> Iterator[None]:
    """Put back buffers, random state and waiting batches if the block fails.

    Parameters are not among them: inside the block no optimizer may step.

    Args:
        modules: Whose buffers (BatchNorm statistics and the like) a pass may change.
        accumulation: Held the batches back.
        batches: The batches of the step; the last one is read again after a resume.
    """
    device = batches[0].views[0].device
    state = random_state(device)
    buffers = [buffer for module in modules for buffer in module.buffers()]
    before = copies(buffers)
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        set_random_state(state, device)
        accumulation.pending = batches[:-1]
        raise
