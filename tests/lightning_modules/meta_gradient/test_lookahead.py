"""The cheap engine: how near it comes, and that looking ahead leaves no trace."""

import gc
from typing import get_args

import pytest
import torch
from metaug.lightning_modules import (
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MetAugObjective,
)
from metaug.lightning_modules.meta_gradient import Engine, meta_gradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from sklearn.datasets import load_digits
from torch import nn

from .problems import problem, relative

ENGINES = get_args(Engine)


@pytest.fixture(scope="module")
def warm():
    """An encoder of digits after a short training: features are neither random nor collapsed."""
    torch.manual_seed(0)
    digits = torch.tensor(load_digits().images).unsqueeze(1) / 16
    backbone = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 32),
    )
    backbone.num_features = 32
    encoder = Encoder(backbone, image_channels=1, projection_dim=16).double()
    generator = AugmentationGenerator(16, 2, 32).double()
    objective = MetAugObjective(margin=MarginRegularization())
    params = list(encoder.parameters())
    omega = list(generator.parameters())
    optimizer = torch.optim.SGD(params, lr=0.05, momentum=0.9)
    descent = torch.optim.SGD(omega, lr=0.01)
    names = [name for name, _ in encoder.named_parameters()]

    def encode():
        picked = digits[torch.randperm(len(digits))[:64]]
        views = [picked + 0.2 * torch.randn_like(picked) for _ in range(2)]
        return FunctionalEncoder(encoder, names, views)

    def loss(features):
        return objective(features, generator).inner

    for _ in range(40):
        result = meta_gradient(encode(), params, loss, omega, 0.01, "lookahead")
        for tensors, grads in ((params, result.encoder), (omega, result.generator)):
            for tensor, grad in zip(tensors, grads, strict=True):
                tensor.grad = grad
        optimizer.step()
        descent.step()

    batch = encode()
    batch(params)

    def at(alpha, engine):
        return meta_gradient(batch, params, loss, omega, alpha, engine)

    return at


def test_error_after_warm_up_and_how_it_shrinks(warm):
    errors = {
        alpha: relative(warm(alpha, "lookahead").generator, warm(alpha, "exact").generator)
        for alpha in (1e-4, 1e-3, 1e-2)
    }
    assert errors[1e-2] <= 1e-2
    # O(alpha^2): ten times smaller a rate, a hundred times smaller an error
    assert 50 < errors[1e-2] / errors[1e-3] < 200
    assert 50 < errors[1e-3] / errors[1e-4] < 200
    # without the mixed term it is O(alpha) only
    first = relative(warm(1e-3, "first_order").generator, warm(1e-3, "exact").generator)
    assert first > 10 * errors[1e-3]


@pytest.mark.parametrize("name", ["resnet", "vit"])
@pytest.mark.parametrize("engine", ENGINES)
def test_looking_ahead_leaves_no_trace(engine, name):
    case, reference = problem(name), problem(name)
    before = [param.detach().clone() for param in [*case.params, *case.omega]]
    torch.manual_seed(3)
    found = meta_gradient(case.encode(), case.params, case.inner, case.omega, 0.1, engine)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    features = reference.network(reference.views)  # one ordinary pass
    assert torch.equal(state, torch.get_rng_state())
    torch.testing.assert_close(found.features, features.detach(), rtol=0, atol=0)
    for name_, buffer in case.network.named_buffers():
        assert torch.equal(buffer, reference.network.get_buffer(name_)), name_
        if name_.endswith("num_batches_tracked"):
            assert buffer == 1
    after = [*case.params, *case.omega]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(param.grad is None for param in after)


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_no_tensor_stays_alive(engine, pieces):
    if engine == "higher" and pieces > 1:
        pytest.skip("higher takes one piece")
    case = problem("plain", count=4)

    def step():
        encodes = [case.encode(list(views)) for views in parts]
        meta_gradient(encodes, case.params, case.inner, case.omega, 0.1, engine)

    parts = list(zip(*(view.chunk(pieces) for view in case.views), strict=True))
    step()
    gc.collect()
    gc.disable()
    try:
        step()
        before = count_tensors()
        for _ in range(30):
            step()
        assert count_tensors() == before
    finally:
        gc.enable()


def count_tensors() -> int:
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())
