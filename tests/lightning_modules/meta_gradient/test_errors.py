"""An engine that cannot do what it is given says so and names one that can."""

import pytest
import torch
from metaug.lightning_modules.meta_gradient import EngineError, meta_gradient
from metaug.lightning_modules.meta_gradient.errors import explained
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

from .problems import problem, relative, rerun


def gradients(case, engine, encode=None, alpha=0.001, **settings):
    return meta_gradient(
        encode or case.encode(), case.params, case.inner, case.omega, alpha, engine, **settings
    )


@pytest.mark.parametrize("parametrize", [weight_norm, spectral_norm])
def test_exact_without_forward_mode(parametrize):
    case = problem("plain")
    parametrize(case.network.projection[0])
    case.params = list(case.network.parameters())
    with pytest.raises(EngineError, match=r"'exact' needs forward-mode .* Use engine 'lookahead'"):
        gradients(case, "exact")
    restore = rerun(case.network)
    found = gradients(case, "lookahead")
    restore()
    assert relative(found.generator, gradients(case, "higher").generator) < 0.01


class OnceDifferentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return 2 * values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return 2 * grad


@pytest.mark.parametrize("engine", ["exact", "higher"])
def test_operations_with_a_first_derivative_alone(engine):
    case = problem("plain")
    encode = case.encode()

    def custom(params):
        return encode([OnceDifferentiable.apply(param) for param in params])

    with pytest.raises(EngineError, match=rf"'{engine}' needs .* Use engine 'lookahead'"):
        gradients(case, engine, custom)
    assert gradients(case, "lookahead", custom).gap > 0


@pytest.mark.parametrize("engine", ["lookahead", "exact", "first_order"])
@pytest.mark.parametrize(
    "settings", [{"inner_steps": 2}, {"inner_optimizer": "adam"}, {"inner_momentum": 0.9}]
)
def test_inner_steps_that_higher_alone_takes(engine, settings):
    with pytest.raises(EngineError, match=rf"'{engine}' looks ahead .* use engine 'higher'"):
        gradients(problem("plain"), engine, **settings)


def test_higher_takes_one_piece():
    case = problem("plain")
    pieces = [case.encode(), case.encode()]
    with pytest.raises(EngineError, match=r"2 micro-batches; use engine 'exact'"):
        gradients(case, "higher", pieces)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine": "magic"}, "engine 'magic' is unknown; use one of lookahead, exact"),
        ({"engine": "higher", "inner_optimizer": "x"}, "inner_optimizer 'x' is unknown"),
        ({"engine": "higher", "inner_steps": 0}, "inner_steps must be at least 1, got 0"),
    ],
)
def test_unknown_names(settings, words):
    with pytest.raises(ValueError, match=words):
        gradients(problem("plain"), **settings)


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="out of memory") as caught, explained("exact", "x"):
        raise RuntimeError("out of memory")
    assert not isinstance(caught.value, EngineError)


class Checkpointed(torch.nn.Sequential):
    """Layers whose activations are computed again in the backward pass."""

    def forward(self, value):
        return checkpoint(super().forward, value, use_reentrant=False)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("engine", ["exact", "higher", "lookahead", "first_order"])
def test_activation_checkpointing(engine, parts):
    """Right, against the same network without it, or refused."""
    if engine == "higher" and parts == 2:
        pytest.skip("higher takes one batch")
    found = {}
    for kind in (torch.nn.Sequential, Checkpointed):
        case = problem("plain")
        case.network.backbone = kind(*case.network.backbone)
        views = zip(*(view.chunk(parts) for view in case.views), strict=True)
        encodes = [case.encode(list(part)) for part in views]
        if kind is Checkpointed and engine in ("exact", "higher"):
            with pytest.raises(EngineError, match=rf"'{engine}' differentiates at the look-ahead"):
                gradients(case, engine, encodes, alpha=0.1)
            return
        found[kind] = gradients(case, engine, encodes, alpha=0.1)
    plain, checkpointed = found.values()
    assert relative(checkpointed.generator, plain.generator) < 1e-12
    assert relative(checkpointed.encoder, plain.encoder) < 1e-12


def test_timms_checkpointing_is_refused():
    case = problem("vit")
    case.network.backbone.set_grad_checkpointing()
    with pytest.raises(EngineError, match="set_grad_checkpointing"):
        gradients(case, "exact", alpha=0.1)
