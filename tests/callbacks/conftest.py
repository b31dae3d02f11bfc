import warnings

import pytest
import torch

EXPECTED = [
    "`isinstance.treespec, LeafSpec.` is deprecated",  # Lightning 2.6 on torch 2.14
    "The '.*_dataloader' does not have many workers",  # these data sets are tiny
    "The number of training batches",  # so are these epochs
    "Checkpoint directory .* exists and is not empty",  # a resumed run writes beside
]


@pytest.fixture(autouse=True)
def _strict():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        yield
