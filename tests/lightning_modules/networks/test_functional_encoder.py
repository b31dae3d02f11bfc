"""Later passes replay the first and leave nothing behind."""

import pytest
import torch
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ..tiny import tiny_encoder


def functional(encoder: nn.Module, views=None) -> FunctionalEncoder:
    names = [name for name, _ in encoder.named_parameters()]
    return FunctionalEncoder(encoder, names, views or [torch.randn(4, 1, 8, 8) for _ in range(2)])


@pytest.mark.parametrize("kind", ["batch norm", "dropout", "spectral norm"])
def test_passes_are_equal_and_only_the_first_leaves_a_trace(kind):
    encoder = tiny_encoder(norm=kind == "batch norm")
    if kind == "dropout":
        encoder.projection.append(nn.Dropout(0.5))
    elif kind == "spectral norm":
        spectral_norm(encoder.projection[0])
    encode, params = functional(encoder), list(encoder.parameters())
    first = encode(params)
    buffers = {name: each.clone() for name, each in encoder.named_buffers()}
    torch.rand(3)
    state = torch.get_rng_state()
    assert torch.equal(encode(params), first)
    assert torch.equal(torch.get_rng_state(), state)
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
