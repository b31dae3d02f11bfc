"""The rules of the tangent pass against torch's own forward-mode AD, and the work they save."""

import pytest
import torch
from metaug.lightning_modules.meta_gradient.encoder_passes import EncoderPasses
from metaug.lightning_modules.meta_gradient.kernels import tangent_rules
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


class Overwritten(nn.Module):
    """Overwrites what a linear layer put out, which therefore cannot be used again."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, value):
        return self.linear(value.flatten(1)).exp_()


class OverItsInput(nn.Module):
    """ReLU in place on a sum, whose other term is used afterwards, and by a positional argument."""

    def forward(self, value):
        shifted = value + 0.1
        nn.functional.relu(shifted, True)
        flat = shifted.view(len(shifted), -1) - 0.3
        return value * nn.functional.relu(flat, inplace=True).view_as(value)


class NoBatch(nn.Module):
    """A convolution of one image without a batch, image by image."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(4, 6, 3)

    def forward(self, value):
        return torch.stack([self.convolution(each) for each in value])


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, value):
        return self.linear(self.linear(value.flatten(1)).tanh())


def norm(module: nn.Module, training: bool) -> nn.Module:
    torch.nn.init.normal_(module.running_mean)
    torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    if module.weight is not None:
        torch.nn.init.normal_(module.weight)
    return module.train(training)


CASES = {
    "convolution": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "groups, no bias": lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False),
    "one dimension": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 5)),
    "three dimensions": lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Conv3d(2, 3, 2)),
    "linear": lambda: nn.Sequential(nn.Linear(8, 5), nn.GELU(), nn.Linear(5, 3)),
    "norm in training": lambda: norm(nn.BatchNorm2d(4), True),
    "norm in evaluation": lambda: norm(nn.BatchNorm2d(4), False),
    "norm, not affine": lambda: norm(nn.BatchNorm2d(4, affine=False), True),
    "no batch": lambda: NoBatch(),
    "ReLU over its input": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), OverItsInput()),
    "overwritten": lambda: nn.Sequential(nn.Conv2d(4, 6, 8), Overwritten()),
    "twice": lambda: nn.Sequential(nn.Conv2d(4, 6, 8), Twice()),
    "one after another": lambda: nn.Sequential(
        nn.Conv2d(4, 6, 3), norm(nn.BatchNorm2d(6), True), nn.ReLU(inplace=True), nn.Conv2d(6, 2, 3)
    ),
}


def prepared(name: str):
    """`encode(params)`, the parameters and a direction, in float64."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 1), CASES[name]()).double()
    image = torch.randn(5, 2, 8, 8, dtype=torch.float64)
    names = [name for name, _ in module.named_parameters()]
    params = [param.detach() for param in module.parameters()]

    def encode(params):
        buffers = {name: each.clone() for name, each in module.named_buffers()}
        state = dict(zip(names, params, strict=True)) | buffers
        return functional_call(module, state, (image,)).flatten(1)[:, None]

    return encode, params, [torch.randn_like(param) for param in params]


def by_torch(encode, params, direction):
    with torch.no_grad(), forward_ad.dual_level():
        duals = [forward_ad.make_dual(*each) for each in zip(params, direction, strict=True)]
        return forward_ad.unpack_dual(encode(duals)).tangent


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_tangents_equal_those_of_torch(name, kept, monkeypatch):
    """With products of a first pass or without."""
    monkeypatch.setattr(tangent_rules, "MIN_WORK", 0)
    encode, params, direction = prepared(name)
    passes = EncoderPasses(encode, params)
    if kept:
        passes.linearize(params, tangent_follows=True)
    found = passes.tangent(params, direction)
    expected = by_torch(encode, params, direction)
    assert expected.norm() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("frozen", ["0.weight", "1.weight", "1.bias"])
def test_tangents_of_some_parameters(frozen, monkeypatch):
    """A parameter without a tangent, and an input without one."""
    monkeypatch.setattr(tangent_rules, "MIN_WORK", 0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    image = torch.randn(5, 3, dtype=torch.float64)
    names = [name for name, _ in module.named_parameters() if name != frozen]
    params = [param.detach() for name, param in module.named_parameters() if name != frozen]
    direction = [torch.randn_like(param) for param in params]

    def encode(params):
        return functional_call(module, dict(zip(names, params, strict=True)), (image,))[:, None]

    passes = EncoderPasses(encode, params)
    passes.linearize(params, tangent_follows=True)
    found = passes.tangent(params, direction)
    torch.testing.assert_close(found, by_torch(encode, params, direction), rtol=1e-12, atol=1e-12)


def test_kept_products_are_not_computed_again(monkeypatch):
    """A tangent costs two products instead of three; outputs of little work are not kept."""
    work = {}
    for least in (0, 10_000):
        monkeypatch.setattr(tangent_rules, "MIN_WORK", least)
        encode, params, direction = prepared("one after another")
        passes = EncoderPasses(encode, params)
        passes.linearize(params, tangent_follows=True)
        with FlopCounterMode(display=False) as counter:
            passes.tangent(params, direction)
        work[least] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        encode(params)
    assert work[10_000] - work[0] == counter.get_total_flops()


def test_the_first_pass_is_the_same_with_and_without_what_is_kept():
    encode, params, _ = prepared("one after another")
    features = [
        EncoderPasses(encode, params).linearize(params, tangent_follows=kept) for kept in (0, 1)
    ]
    cotangent = torch.randn_like(features[0][0])
    assert torch.equal(features[0][0], features[1][0])
    for mine, its in zip(features[0][1](cotangent), features[1][1](cotangent), strict=True):
        assert torch.equal(mine, its)


def test_a_batch_that_batch_norm_refuses_is_refused():
    norm = nn.BatchNorm1d(3)
    names = [name for name, _ in norm.named_parameters()]
    params = [param.detach() for param in norm.parameters()]

    def encode(params):
        state = dict(zip(names, params, strict=True))
        return functional_call(norm, state, (torch.ones(1, 3),))[:, None]

    with pytest.raises(ValueError, match="more than 1 value per channel"):
        EncoderPasses(encode, params).linearize(params, tangent_follows=True)
