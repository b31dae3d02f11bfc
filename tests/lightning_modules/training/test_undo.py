"""A block that fails leaves buffers, random state and waiting batches as they were."""

import pytest
import torch
from metaug.lightning_modules.training.accumulation import Accumulation
from metaug.lightning_modules.training.batch_formats import Batch
from metaug.lightning_modules.training.undo import undone_on_error
from torch import nn


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_what_is_put_back(error):
    norm = nn.BatchNorm1d(3)
    batches = [Batch([torch.randn(4, 3)] * 2, None) for _ in range(2)]
    accumulation = Accumulation(2)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)

    def step():
        with undone_on_error([norm], accumulation, batches):
            norm(batches[0].views[0])
            torch.rand(7)
            if error is not None:
                raise error

    if error is None:
        step()
        assert norm.num_batches_tracked == 1
        assert not torch.equal(torch.rand(3), expected)
        return
    with pytest.raises(error):
        step()
    assert all(torch.equal(before[name], buffer) for name, buffer in norm.named_buffers())
    assert torch.equal(torch.rand(3), expected)
    assert accumulation.pending == batches[:1]
