"""The engines against each other, against finite differences and against unrolling by hand."""

from typing import get_args

import pytest
import torch
from metaug.lightning_modules.meta_gradient import Engine, encoder_gradient, meta_gradient
from torch.func import functional_call

from .problems import problem, relative, rerun

ALPHA = 0.05
CASES = [
    ("resnet", "unified", "both"),
    ("resnet", "substituted", "generator"),
    ("vit", "unified", "generator"),
    ("vit", "substituted", "both"),
    ("plain", "unified", "none"),
]


def gradients(case, engine="exact", alpha=ALPHA, **settings):
    outer = None if case.inner is case.outer else case.outer
    return meta_gradient(
        case.encode(),
        case.params,
        case.inner,
        case.omega,
        alpha,
        engine,
        outer_objective=outer,
        **settings,
    )


def unrolled(case, step, steps=1):
    """J and g by autograd through the steps, with the same masks for every pass."""
    encode = case.encode()
    start = params = [param.detach().clone().requires_grad_() for param in case.params]
    first = None
    for number in range(steps):
        loss = case.inner(encode(params))
        grads = torch.autograd.grad(loss, params, create_graph=True)
        first = grads if first is None else first
        params = step(params, grads, number)
    outer = case.outer(encode(params))
    return first, torch.autograd.grad(outer, case.omega), start


@pytest.mark.parametrize(("name", "composition", "acts_on"), CASES)
def test_exact_equals_higher_and_unrolling_by_hand(name, composition, acts_on):
    case = problem(name, composition, acts_on)
    restore = rerun(case.network)
    exact = gradients(case)
    restore()
    higher = gradients(case, "higher")
    restore()
    encoder, generator, _ = unrolled(
        case, lambda params, grads, _: [p - ALPHA * g for p, g in zip(params, grads, strict=True)]
    )
    assert relative(exact.generator, higher.generator) < 1e-10
    assert relative(exact.generator, generator) < 1e-10
    assert relative(exact.encoder, encoder) < 1e-10
    assert relative(higher.encoder, encoder) < 1e-10
    torch.testing.assert_close(exact.loss, higher.loss, rtol=1e-12, atol=0)
    assert relative(exact.plain_generator, higher.plain_generator) < 1e-10
    # there is something to be exact about
    assert exact.gap > 1e-3
    assert all(bool(grad.any()) for grad in exact.generator)


@pytest.mark.parametrize("settings", [{"adversarial": True}, {"detach": True}])
def test_an_adversary_and_detached_features_equal_unrolling_by_hand(settings):
    case, plain = problem("resnet", **settings), problem("resnet")
    plain.generator.load_state_dict(case.generator.state_dict())
    restore = rerun(case.network)
    engines = [gradients(case, engine) for engine in ("exact", "higher") if not restore()]
    restore()
    encoder, generator, _ = unrolled(
        case, lambda params, grads, _: [p - ALPHA * g for p, g in zip(params, grads, strict=True)]
    )
    for found in engines:
        assert relative(found.generator, generator) < 1e-10
        assert relative(found.encoder, encoder) < 1e-10
    restore()
    usual = gradients(plain)
    assert relative(usual.generator, generator) > 0.01
    assert (relative(usual.encoder, encoder) > 0.01) == ("detach" in settings)


@pytest.mark.parametrize(("name", "composition", "acts_on"), CASES)
def test_exact_equals_finite_differences(name, composition, acts_on):
    case = problem(name, composition, acts_on)
    restore = rerun(case.network)
    found = gradients(case).generator
    restore()
    encode = case.encode()

    def objective_after_the_step() -> float:
        leaves = [param.detach().requires_grad_() for param in case.params]
        grads = torch.autograd.grad(case.inner(encode(leaves)), leaves)
        ahead = [p - ALPHA * g for p, g in zip(leaves, grads, strict=True)]
        return float(case.outer(encode([each.detach() for each in ahead])).detach())

    objective_after_the_step()  # the pass that may move statistics
    for seed in range(2):
        torch.manual_seed(seed)
        direction = [torch.randn_like(param) for param in case.omega]
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                torch._foreach_add_(case.omega, direction, alpha=sign * 1e-7)
            values.append(objective_after_the_step())
            with torch.no_grad():
                torch._foreach_add_(case.omega, direction, alpha=-sign * 1e-7)
        expected = (values[0] - values[1]) / 2e-7
        slope = sum(float((a * b).sum()) for a, b in zip(found, direction, strict=True))
        assert slope == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", sorted({*get_args(Engine)} - {"higher"}))
def test_micro_batches_equal_the_whole(engine):
    case = problem("plain", acts_on="generator")
    whole = gradients(case, engine)
    pieces = [case.encode([view[rows] for view in case.views]) for rows in (slice(4), slice(4, 6))]
    parts = meta_gradient(
        pieces, case.params, case.inner, case.omega, ALPHA, engine, outer_objective=case.outer
    )
    assert relative(parts.generator, whole.generator) < 1e-10
    assert relative(parts.encoder, whole.encoder) < 1e-10
    torch.testing.assert_close(parts.features, whole.features)


def test_a_compiled_backbone_changes_no_engine():
    """Compiled passes where first derivatives suffice, the backbone as written elsewhere."""
    from torch._dynamo.backends.debugging import aot_eager  # takes seconds to import

    engines = get_args(Engine)
    case = problem()
    restore = rerun(case.network)
    plain = {}
    for engine in engines:
        restore()
        plain[engine] = gradients(case, engine)
    passes = []

    def backend(graph, inputs):
        passes.append(1)
        return aot_eager(graph, inputs)

    torch.compiler.reset()
    case.network.backbone.compile(backend=backend)
    for engine in engines:
        restore()
        compiled = gradients(case, engine)
        assert relative(compiled.generator, plain[engine].generator) < 1e-10
        assert relative(compiled.encoder, plain[engine].encoder) < 1e-10
    assert passes


def test_micro_batches_have_their_own_masks():
    """Every piece is encoded several times, with dropout: exact still agrees with unrolling."""
    case = problem("vit")
    rows = (slice(4), slice(4, 6))
    restore = rerun(case.network)
    pieces = [case.encode([view[each] for view in case.views]) for each in rows]
    found = meta_gradient(pieces, case.params, case.inner, case.omega, ALPHA)
    restore()
    pieces = [case.encode([view[each] for view in case.views]) for each in rows]

    def joined(params):
        return torch.cat([piece(params) for piece in pieces])

    whole = meta_gradient(joined, case.params, case.inner, case.omega, ALPHA, "higher")
    assert relative(found.generator, whole.generator) < 1e-10


def test_blocks_of_an_objective_equal_the_whole():
    case = problem("plain")
    whole = gradients(case)
    halves = [lambda z: 0.25 * case.inner(z), lambda z: 0.75 * case.inner(z)]
    for engine in ("exact", "higher"):
        blocks = meta_gradient(case.encode(), case.params, halves, case.omega, ALPHA, engine)
        assert relative(blocks.generator, whole.generator) < 1e-10
        torch.testing.assert_close(blocks.loss, whole.loss)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_several_sgd_steps(momentum):
    case = problem("plain")
    buffers: list = []

    def step(params, grads, number):
        moved = (
            grads
            if number == 0
            else [momentum * b + g for b, g in zip(buffers, grads, strict=True)]
        )
        buffers[:] = moved
        return [p - ALPHA * b for p, b in zip(params, moved, strict=True)]

    encoder, generator, _ = unrolled(case, step, steps=3)
    found = gradients(case, "higher", inner_steps=3, inner_momentum=momentum)
    assert relative(found.generator, generator) < 1e-10
    assert relative(found.encoder, encoder) < 1e-10


@pytest.mark.parametrize("steps", [1, 3])
def test_adam_steps(steps):
    case = problem("plain")
    state: dict = {}

    def step(params, grads, number):
        moved = []
        for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
            first, second = state.get(i, (0.0, 0.0))
            first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
            second = torch.where(second == 0, 1e-8, second)  # the root has no slope at 0
            state[i] = first, second
            count = number + 1
            rate = 0.01 * (1 - 0.999**count) ** 0.5 / (1 - 0.9**count)
            moved.append(param - rate * first / (second.sqrt() + 1e-8))
        return moved

    _, generator, _ = unrolled(case, step, steps)
    found = gradients(case, "higher", alpha=0.01, inner_steps=steps, inner_optimizer="adam")
    assert relative(found.generator, generator) < 1e-9


def test_first_order_drops_the_mixed_term():
    case = problem("plain")
    encode = case.encode()
    leaves = [param.detach().requires_grad_() for param in case.params]
    grads = torch.autograd.grad(case.inner(encode(leaves)), leaves)
    ahead = [(p - ALPHA * g).detach() for p, g in zip(leaves, grads, strict=True)]
    expected = torch.autograd.grad(case.outer(encode(ahead)), case.omega)
    found = gradients(case, "first_order")
    assert relative(found.generator, expected) < 1e-10
    assert relative(found.generator, gradients(case).generator) > 1e-3


def test_plain_closures_as_in_the_design():
    """`encode` and `objective` need nothing of this project."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))
    network.double()
    inputs = torch.randn(6, 2, 5, dtype=torch.float64)
    names = [name for name, _ in network.named_parameters()]
    omega = [torch.randn(4, 4, dtype=torch.float64, requires_grad=True)]

    def encode(params):
        state = dict(zip(names, params, strict=True))
        return torch.nn.functional.normalize(functional_call(network, state, (inputs,)), dim=-1)

    def objective(features):
        return ((features[:, 0] @ omega[0]) * features[:, 1]).sum().exp() + omega[0].square().sum()

    params = list(network.parameters())
    results = {
        engine: meta_gradient(encode, params, objective, omega, 0.01, engine=engine)
        for engine in ("exact", "higher")
    }
    assert relative(results["exact"].generator, results["higher"].generator) < 1e-10
    result = results["exact"]
    assert [each.shape for each in result.encoder] == [each.shape for each in params]
    assert [each.shape for each in result.generator] == [(4, 4)]
    assert result.loss == objective(encode(params))
    tensors = [*result.encoder, *result.generator, result.loss]
    assert not any(each.requires_grad for each in tensors)


@pytest.mark.parametrize("engine", get_args(Engine))
def test_parameters_without_part_get_zeros(engine):
    case = problem("plain")
    expected = gradients(case, engine)
    unused = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    encode = case.encode()
    found = meta_gradient(
        lambda params: encode(params[:-1]),
        [*case.params, unused],
        case.inner,
        [*case.omega, unused],
        ALPHA,
        engine,
        outer_objective=case.outer,
    )
    assert relative(found.generator[:-1], expected.generator) < 1e-12
    for grads in (found.encoder, found.generator):
        assert torch.equal(grads[-1], torch.zeros_like(unused))


def test_encoder_gradient_alone_is_the_plain_gradient():
    case = problem("plain")
    found = encoder_gradient(case.encode(), case.params, case.inner)
    expected = torch.autograd.grad(case.inner(case.encode()(case.params)), case.params)
    assert relative(found.encoder, expected) < 1e-12
    assert found.generator == []


def test_all_views_of_three_take_part():
    case = problem("plain", views=3)
    found, reference = gradients(case), gradients(case, "higher")
    assert relative(found.generator, reference.generator) < 1e-10


def test_gap_is_the_relative_distance():
    found = gradients(problem("plain"))
    assert float(found.gap) == pytest.approx(
        relative(found.generator, found.plain_generator), rel=1e-12
    )


@pytest.mark.parametrize("engine", ["exact", "lookahead"])
@pytest.mark.parametrize("alpha", [0.0, -0.1, float("nan")])
def test_rate_must_be_positive(engine, alpha):
    with pytest.raises(ValueError, match=r"look-ahead rate, must be greater than 0, got (0|-|nan)"):
        gradients(problem("plain"), engine, alpha)


def test_all_passes_of_exact_use_one_attention_kernel():
    """Kernels draw different dropout masks from the same random state on a GPU."""
    case = problem("vit")
    kernels = []

    def watch(*arguments):
        kernels.append(
            (torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled())
        )

    case.network.backbone.blocks[0].attn.register_forward_pre_hook(watch)
    gradients(case)
    assert kernels == [(True, False)] * 3
