"""Outer features of their own and preconditioned steps, against double backward."""

import pytest
import torch
from metaug.lightning_modules import EngineError
from metaug.lightning_modules.meta_gradient import meta_gradient
from metaug.lightning_modules.meta_gradient.inner_step import InnerStep

from .problems import images, problem, relative, rerun

ALPHA = 0.05
EXACT = ["exact", "higher"]


def scaled(tensors):
    """Each parameter's gradient by a number of its own: diagonal."""
    return [tensor * (0.2 + 0.5 * i) for i, tensor in enumerate(tensors)]


def mixed(tensors):
    """Not symmetric, and over parameters: what the first has is added to the last."""
    moved = [tensor.cumsum(0) for tensor in tensors]
    return [*moved[:-1], moved[-1] + tensors[0].sum()]


def masked(tensors):
    """The first parameter takes no step; torch gives it no gradient."""
    return [torch.zeros_like(tensors[0]), *tensors[1:]]


PRECONDITIONS = {"none": None, "scaled": scaled, "mixed": mixed, "masked": masked}


def representation(case, views):
    """The backbone's features of each view, another representation than the projection."""
    names = [name for name, _ in case.network.named_parameters()]

    def encode(params):
        state = dict(zip(names, params, strict=True))
        call = torch.func.functional_call
        each = [call(Represented(case.network), prefixed(state), (view,)) for view in views]
        return torch.nn.functional.normalize(torch.stack(each, dim=1), dim=-1)

    return encode


class Represented(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return self.network.represent(image)


def prefixed(state):
    return {f"network.{name}": value for name, value in state.items()}


def by_hand(case, encode_outer, outer, precondition):
    """g and dJ/d omega by double backward through the step, whole."""
    encode = case.encode()
    leaves = [param.detach().clone().requires_grad_() for param in case.params]
    grads = torch.autograd.grad(
        case.inner(encode(leaves)), leaves, create_graph=True, materialize_grads=True
    )
    direction = grads if precondition is None else precondition(list(grads))
    ahead = [p - ALPHA * d for p, d in zip(leaves, direction, strict=True)]
    value = outer((encode_outer or encode)(ahead))
    return grads, torch.autograd.grad(value, case.omega, materialize_grads=True)


@pytest.mark.parametrize("name", ["plain", "resnet"])
@pytest.mark.parametrize("precondition", PRECONDITIONS)
@pytest.mark.parametrize("features", ["same", "held out", "representation"])
@pytest.mark.parametrize("engine", EXACT)
def test_equals_double_backward(engine, features, precondition, name):
    if name == "resnet" and (features == "representation" or precondition == "none"):
        pytest.skip("the plain one has it")
    case = problem(name, acts_on="generator")
    restore = rerun(case.network)
    outer, make = case.outer, lambda: None
    if features == "held out":  # of another number of instances too
        make = lambda: case.encode(images(4, seed=9))  # noqa: E731
    elif features == "representation":
        # no path to the generator but through the step
        make = lambda: representation(case, case.views)  # noqa: E731
        outer = lambda z: (z[:, 0] * z[:, 1].roll(1, 0)).sum().exp()  # noqa: E731

    preconditioner = PRECONDITIONS[precondition]
    found = meta_gradient(
        case.encode(),
        case.params,
        case.inner,
        case.omega,
        ALPHA,
        engine,
        outer_objective=outer,
        outer_encode=make(),
        precondition=preconditioner,
    )
    restore()
    encoder, generator = by_hand(case, make(), outer, preconditioner)
    assert relative(found.generator, generator) < 1e-9
    assert relative(found.encoder, encoder) < 1e-10  # the encoder's own step is not preconditioned
    if precondition != "none":
        restore()
        _, other = by_hand(case, make(), outer, None)
        assert relative(found.generator, other) > 1e-4


@pytest.mark.parametrize(("engine", "order"), [("lookahead", 2), ("first_order", 1)])
def test_the_cheap_engines_keep_their_order_if_the_preconditioner_is_symmetric(engine, order):
    case = problem("plain")
    given = (case.encode(), case.params, case.inner, case.omega)
    errors = []
    for alpha in (2e-4, 1e-4):
        reference = meta_gradient(*given, alpha, "exact", precondition=scaled)
        found = meta_gradient(*given, alpha, engine, precondition=scaled)
        errors.append(relative(found.generator, reference.generator))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


def test_first_order_looks_at_the_outer_features():
    case = problem("plain")
    held_out = case.encode(images(4, seed=9))
    found = meta_gradient(
        case.encode(),
        case.params,
        case.inner,
        case.omega,
        ALPHA,
        "first_order",
        outer_encode=held_out,
        precondition=scaled,
    )
    steps = scaled(found.encoder)
    ahead = [(p - ALPHA * d).detach() for p, d in zip(case.params, steps, strict=True)]
    expected = torch.autograd.grad(case.inner(held_out(ahead)), case.omega)
    assert relative(found.generator, expected) < 1e-10


@pytest.mark.parametrize("engine", [*EXACT, "first_order"])
def test_the_plain_gradient_is_of_the_outer_features_at_theta(engine):
    case = problem("plain")
    held_out = case.encode(images(4, seed=9))
    given = (case.encode(), case.params, case.inner, case.omega, ALPHA, engine)
    found = meta_gradient(*given, outer_encode=held_out)
    expected = torch.autograd.grad(case.inner(held_out(case.params)), case.omega)
    assert relative(found.plain_generator, expected) < 1e-10
    assert meta_gradient(*given, outer_encode=held_out, plain_generator=False).plain_generator == []


def test_outer_features_in_micro_batches():
    case, held_out = problem("plain"), images(4, seed=9)
    pieces = [case.encode([view[rows] for view in held_out]) for rows in (slice(3), slice(3, 4))]
    given = (case.encode(), case.params, case.inner, case.omega, ALPHA)
    whole = meta_gradient(*given, outer_encode=case.encode(held_out))
    parts = meta_gradient(*given, outer_encode=pieces)
    assert relative(parts.generator, whole.generator) < 1e-10
    with pytest.raises(EngineError, match="2 micro-batches; use engine 'exact'"):
        meta_gradient(*given, "higher", outer_encode=pieces)


def test_several_preconditioned_steps():
    case = problem("plain")
    params = [param.detach().clone().requires_grad_() for param in case.params]
    encode = case.encode()
    for _ in range(3):
        grads = torch.autograd.grad(case.inner(encode(params)), params, create_graph=True)
        params = [p - ALPHA * d for p, d in zip(params, scaled(grads), strict=True)]
    expected = torch.autograd.grad(case.inner(encode(params)), case.omega)
    found = meta_gradient(
        encode,
        case.params,
        case.inner,
        case.omega,
        ALPHA,
        "higher",
        precondition=scaled,
        inner_steps=3,
    )
    assert relative(found.generator, expected) < 1e-10


def test_lookahead_refuses_other_features():
    case = problem("plain")
    with pytest.raises(EngineError, match="no outer_encode has; use engine 'exact'"):
        meta_gradient(
            case.encode(),
            case.params,
            case.inner,
            case.omega,
            ALPHA,
            "lookahead",
            outer_encode=case.encode(),
        )


@pytest.mark.parametrize("wrong", [lambda g: g[1:], lambda g: [each[None] for each in g]])
def test_a_preconditioner_keeps_the_shapes(wrong):
    with pytest.raises(ValueError, match="precondition must give a tensor for each"):
        InnerStep(0.1, wrong).ahead([torch.ones(2)], [torch.ones(2)])


def test_a_preconditioner_may_leave_parameters_out():
    vectors = [torch.ones(2), torch.ones(3)]
    step = InnerStep(0.1, lambda g: [2 * g[0], torch.zeros(3)])
    assert [each.tolist() for each in step.transposed(vectors)] == [[2, 2], [0, 0, 0]]


def test_a_preconditioner_must_be_differentiable():
    step = InnerStep(0.1, lambda g: [each.detach() for each in g])
    with pytest.raises(ValueError, match="gives tensors without a graph"):
        step.transposed([torch.ones(2)])
