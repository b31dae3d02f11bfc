"""Convolutions in pieces against torch's own, whole ones."""

import pytest
import torch
from metaug.lightning_modules.meta_gradient import Encoding, pieces
from metaug.lightning_modules.meta_gradient.pieces import InPieces
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from .convolutions import Largest


@pytest.fixture(autouse=True)
def tiny_pieces(monkeypatch):
    """Of two instances of the plain layer below, which puts out 1024 bytes for each."""
    monkeypatch.setattr(pieces, "PIECE", 2048)
    monkeypatch.setattr(pieces, "LEAST", 1)


CALLS = {
    "plain": (functional.conv2d, (4, 6, 6), (8, 4, 3, 3), {}),
    "stride": (functional.conv2d, (4, 9, 8), (16, 4, 3, 3), {"stride": 2, "padding": (1, 0)}),
    "groups": (functional.conv2d, (4, 8, 8), (8, 2, 3, 3), {"groups": 2, "dilation": [2]}),
    "one axis": (functional.conv1d, (4, 20), (8, 4, 5), {"padding": 2}),
    "three axes": (functional.conv3d, (2, 5, 5, 5), (4, 2, 2, 2, 2), {"stride": (1, 2, 1)}),
}


def tensors(name: str, bias: bool):
    """The function, its tensors with gradient, its settings."""
    torch.manual_seed(0)
    function, image, kernel, settings = CALLS[name]
    given = [torch.randn(5, *image), torch.randn(kernel)]
    given += [torch.randn(kernel[0])] if bias else []
    return function, [each.double().requires_grad_() for each in given], settings


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_are_those_of_torch(name, bias):
    function, given, settings = tensors(name, bias)
    expected = function(*given, **settings)
    cotangent = torch.randn_like(expected)
    gradients = torch.autograd.grad(expected, given, cotangent)
    with InPieces(), Largest() as largest:
        found = function(*given, **settings)
    with largest:
        mine = torch.autograd.grad(found, given, cotangent)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mine, gradients, rtol=1e-12, atol=1e-12)
    assert max(largest.forward, largest.backward) <= 2
    assert largest.calls >= 3


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2]])
def test_gradients_of_some_tensors(wanted):
    """Of the image alone, as through a frozen layer; of the others, as in a network's first."""
    function, given, settings = tensors("plain", True)
    given = [each.detach().requires_grad_(number in wanted) for number, each in enumerate(given)]
    leaves = [given[number] for number in wanted]
    expected = torch.autograd.grad(function(*given, **settings).square().sum(), leaves)
    with InPieces(), Largest() as largest:
        found = torch.autograd.grad(function(*given, **settings).square().sum(), leaves)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert largest.backward == 2


@pytest.mark.parametrize("where", ["forward", "linearize", "micro-batches"])
def test_every_pass_of_an_engine_is_in_pieces(where):
    module = nn.Conv2d(4, 8, 3, bias=False).double()
    image = torch.randn(6, 4, 6, 6, dtype=torch.float64)

    def encode(images):
        state = lambda params: {"weight": params[0]}  # noqa: E731
        return lambda params: functional_call(module, state(params), (images,)).flatten(1)[:, None]

    params = [module.weight.detach()]
    parts = [image[:3], image[3:]] if where == "micro-batches" else [image]
    encoding = Encoding([encode(each) for each in parts], params)
    with Largest() as largest:
        if where == "forward":
            encoding.forward(params)
        else:
            features, pullback = encoding.linearize(params)
            pullback(torch.ones_like(features))
            assert 0 < largest.backward < 3
    assert 0 < largest.forward < 3


@pytest.mark.parametrize("small", ["PIECE", "LEAST"])
def test_small_outputs_are_computed_whole(small, monkeypatch):
    monkeypatch.setattr(pieces, small, 2**20)
    function, given, settings = tensors("plain", True)
    with InPieces(), Largest() as largest:
        function(*given, **settings)
    assert (largest.forward, largest.calls) == (5, 1)


def test_what_is_left_to_torch():
    """Channels-last, padding by name, an image without a batch; the results are torch's own."""
    function, (image, weight), _ = tensors("plain", False)
    last = image.detach().to(memory_format=torch.channels_last)
    for args, settings in (
        ((last, weight), {}),
        ((image, weight), {"padding": "same"}),
        ((image[0], weight), {}),
    ):
        expected = function(*args, **settings)
        with InPieces(), Largest() as largest:
            found = function(*args, **settings)
        assert torch.equal(found, expected)
        assert largest.calls == 1


@pytest.mark.parametrize("settings", [{"stride": (1, 2, 1)}, {"stride": 0}, {"dilation": 9}])
def test_what_torch_refuses_is_refused_in_its_words(settings):
    function, given, _ = tensors("plain", False)
    with pytest.raises(RuntimeError) as expected:
        function(*given, **settings)
    with pytest.raises(RuntimeError) as found, InPieces():
        function(*given, **settings)
    assert str(found.value) == str(expected.value)


def test_autocast_is_left_to_torch():
    _, (image, weight), _ = tensors("plain", False)
    image, weight = image.detach().float(), weight.detach().float().requires_grad_()
    results = []
    for mode in (InPieces(), torch.enable_grad()):
        with torch.autocast("cpu", torch.bfloat16), mode:
            output = functional.conv2d(image, weight)
        results.append((output, *torch.autograd.grad(output.float().square().sum(), weight)))
    assert results[0][0].dtype == torch.bfloat16
    for mine, its in zip(*results, strict=True):
        assert torch.equal(mine, its)


def test_a_compiled_layer_is_compiled_whole():
    called = []

    def backend(graph, inputs):
        called.extend(node.target for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    torch.compiler.reset()
    layer = nn.Conv2d(4, 8, 3).double()
    image = torch.randn(5, 4, 6, 6, dtype=torch.float64)
    expected = layer(image)
    layer.compile(backend=backend)
    with InPieces():
        torch.testing.assert_close(layer(image), expected)
    assert called == [functional.conv2d]
