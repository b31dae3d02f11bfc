import pytest
import torch
from metaug.lightning_modules.networks.modes import evaluation_mode
from torch import nn


def test_each_submodule_has_its_own_mode_again_also_after_an_error():
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 2))
    module[1].eval()
    with evaluation_mode(module):
        assert not any(part.training for part in module.modules())
        assert not module(torch.zeros(1, 2)).requires_grad
    with pytest.raises(RuntimeError), evaluation_mode(module):
        module(torch.zeros(1, 3))
    assert [part.training for part in module.modules()] == [True, True, False, True]
    assert torch.is_grad_enabled()
