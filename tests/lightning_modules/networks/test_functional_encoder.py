"""Later passes replay the first and have no side effects."""

import random

import numpy as np
import pytest
import torch
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ..tiny import tiny_encoder


def functional(encoder: nn.Module, views=None) -> FunctionalEncoder:
    names = [name for name, _ in encoder.named_parameters()]
    return FunctionalEncoder(encoder, names, views or [torch.randn(4, 1, 8, 8) for _ in range(2)])


class Draws(nn.Module):
    """A mask of Python's and of NumPy's random numbers."""

    def forward(self, value):
        return value * (random.random() > 0.5 or np.random.rand())


@pytest.mark.parametrize("kind", ["batch norm", "dropout", "spectral norm", "python and numpy"])
def test_passes_are_equal_and_only_the_first_has_side_effects(kind):
    encoder = tiny_encoder(norm=kind == "batch norm")
    if kind == "dropout":
        encoder.projection.append(nn.Dropout(0.5))
    elif kind == "spectral norm":
        spectral_norm(encoder.projection[0])
    elif kind == "python and numpy":
        random.seed(3)  # the first number is below 0.5
        encoder.projection.append(Draws())
    encode, params = functional(encoder), list(encoder.parameters())
    first = encode(params)
    buffers = {name: each.clone() for name, each in encoder.named_buffers()}
    torch.rand(3), random.random(), np.random.rand()
    state, others = torch.get_rng_state(), (random.getstate(), np.random.get_state()[1].tolist())
    assert torch.equal(encode(params), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert others == (random.getstate(), np.random.get_state()[1].tolist())
    for name, buffer in encoder.named_buffers():
        assert torch.equal(buffer, buffers[name])
    changed = [param + 0.1 for param in params]
    assert not torch.equal(encode(changed), first)


def test_features_of_a_foreign_encoder_are_made_precise():
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 4)

        def forward(self, views):
            return torch.stack([self.linear(view.flatten(1)) for view in views], dim=1)

    encoder = Foreign()
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder([torch.randn(4, 1, 8, 8)]).dtype == torch.bfloat16
        encode = functional(encoder)
        assert [encode(list(encoder.parameters())).dtype for _ in range(2)] == [torch.float32] * 2
    double = functional(encoder.double(), [torch.randn(4, 1, 8, 8).double()])
    assert double(list(encoder.parameters())).dtype == torch.float64


def test_a_part_under_two_names_and_a_shared_parameter():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.other, self.last = (
                nn.Linear(64, 64),
                nn.Linear(64, 64),
                nn.Linear(64, 4),
            )
            self.again = self.first
            self.other.weight = self.first.weight

        def forward(self, views):
            layers = (self.first, self.again, self.other, self.last)
            return torch.stack([nn.Sequential(*layers)(view.flatten(1)) for view in views], dim=1)

    encoder = Twice()
    before = dict(encoder.named_parameters())
    encode = functional(encoder)
    leaves = [param.detach().clone().requires_grad_() for param in before.values()]
    encode(leaves)
    second = encode(leaves)
    grads = torch.autograd.grad(second.square().sum(), leaves)
    expected = torch.autograd.grad(encoder(encode.views).square().sum(), list(before.values()))
    torch.testing.assert_close(grads, expected)
    after = dict(encoder.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is param for name, param in before.items())
    assert encoder.other.weight is encoder.first.weight
