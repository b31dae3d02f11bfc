"""The meta-gradient where stages of the encoder do not train: they are no part of theta."""

from typing import get_args

import pytest
import torch
from metaug.lightning_modules.meta_gradient import Engine, meta_gradient
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from .problems import problem, relative, rerun

ALPHA = 0.05
# the lowest, one in the middle (gradients pass through it), all of the backbone
CASES = [
    ("resnet", 2),
    ("resnet", ["layer2", "layer3.0.bn1"]),
    ("resnet", 4),
    ("vit", 1),
    ("vit", ["blocks.1"]),
]


def frozen_problem(name, stages):
    """With running statistics that are neither 0 nor 1, as of a pretrained encoder."""
    case = problem(name, frozen_stages=stages)
    torch.manual_seed(7)
    for buffer_name, buffer in case.network.named_buffers():
        if buffer.dtype == torch.float64:
            noise = torch.rand_like(buffer)
            buffer.copy_(noise + 0.5 if "var" in buffer_name else 0.2 * noise)
    for part in case.network.modules():  # masks that differ between passes are another test's
        if type(part).__name__ in ("Dropout", "DropPath", "Attention"):
            part.eval()
    return case


def gradients(case, engine, alpha=ALPHA):
    return meta_gradient(case.encode(), case.params, case.inner, case.omega, alpha, engine)


def double_backward(case, alpha=ALPHA):
    """g and dJ/domega by autograd through the step, the network called as torch calls it."""
    named = {n: p.detach().clone() for n, p in case.network.named_parameters() if p.requires_grad}

    def features(params):
        return functional_call(case.network, dict(zip(named, params, strict=True)), (case.views,))

    theta = [value.requires_grad_() for value in named.values()]
    with sdpa_kernel(SDPBackend.MATH):  # others have first derivatives only
        loss = case.inner(features(theta))
        first = torch.autograd.grad(loss, theta, create_graph=True)
        ahead = [param - alpha * grad for param, grad in zip(theta, first, strict=True)]
        return first, torch.autograd.grad(case.outer(features(ahead)), case.omega)


@pytest.mark.parametrize(("name", "stages"), CASES)
def test_exact_equals_a_plain_double_backward(name, stages):
    case = frozen_problem(name, stages)
    restore = rerun(case.network)
    encoder, generator = double_backward(case)
    restore()
    exact = gradients(case, "exact")
    assert len(exact.encoder) == len(case.params) < len(list(case.network.parameters()))
    assert relative(exact.encoder, list(encoder)) < 1e-10
    assert relative(exact.generator, list(generator)) < 1e-10
    assert exact.gap > 1e-4  # there is something to be exact about


@pytest.mark.parametrize(("name", "stages"), CASES)
def test_lookahead_nears_it_as_fast_as_without(name, stages):
    case = frozen_problem(name, stages)
    restore = rerun(case.network)
    errors = []
    for alpha in (1e-6, 1e-7):
        _, expected = double_backward(case, alpha)
        restore()
        errors.append(relative(gradients(case, "lookahead", alpha).generator, list(expected)))
        restore()
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 50  # its error is of second order


@pytest.mark.parametrize("engine", get_args(Engine))
def test_a_pass_leaves_frozen_stages_as_they_are(engine):
    case = frozen_problem("resnet", 2)
    before = {name: value.clone() for name, value in case.network.state_dict().items()}
    gradients(case, engine)
    after = case.network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert changed  # the statistics of those that train
    assert not any(name.startswith(("backbone.conv1", "backbone.bn1")) for name in changed)
    assert not any(name.startswith(("backbone.layer1", "backbone.layer2")) for name in changed)
    frozen = [p for p in case.network.parameters() if not p.requires_grad]
    assert frozen
    assert all(parameter.grad is None for parameter in frozen)
