"""Engine ``higher``: unrolled inner steps by the library of that name; the reference."""

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from .encoding import Encoding, filled, not_compiled
from .errors import EngineError, explained, refuse_once_differentiable
from .head import Head
from .result import MetaGradient

InnerOptimizer = Literal["sgd", "adam"]


def unrolled(
    encoding: Encoding,
    inner: Head,
    outer: Head,
    inner_lr: float,
    *,
    steps: int = 1,
    optimizer: InnerOptimizer = "sgd",
    momentum: float = 0.0,
) -> MetaGradient:
    """Differentiate through inner optimizer steps that ``higher`` makes differentiable.

    Costs about 12 encoder forwards for one step, and the memory of all steps' graphs; the encoder
    must have second derivatives.

    Args:
        encoding: The encoder, in one piece and one process.
        inner: The encoder's objective as a head.
        outer: The generator's objective as a head; the same object if it is the same.
        inner_lr: The inner optimizer's learning rate.
        steps: Number of inner steps, >= 1.
        optimizer: ``sgd`` or ``adam``.
        momentum: Momentum of ``sgd``.

    Raises:
        EngineError: On several processes or micro-batches, or if the encoder has no second
            derivatives.
    """
    if encoding.processes.count > 1 or len(encoding.pieces) > 1:
        raise EngineError(
            f"engine 'higher' unrolls one process and one piece at a time, got "
            f"{encoding.processes.count} processes and {len(encoding.pieces)} micro-batches; "
            "use engine 'exact', which gives the same gradient"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # higher imports modules that newer torch deprecates
        import higher

    encode = encoding.pieces[0]
    fast = [param.detach().clone().requires_grad_() for param in encoding.params]
    base: torch.optim.Optimizer
    if optimizer == "adam":
        base = torch.optim.Adam(fast, lr=inner_lr)
    else:
        base = torch.optim.SGD(fast, lr=inner_lr, momentum=momentum)
    unroll = higher.get_diff_optim(base, fast, track_higher_grads=True)

    with (
        explained("higher", "second derivatives of the encoder"),
        sdpa_kernel(SDPBackend.MATH),
        not_compiled(),
        torch.enable_grad(),
    ):
        features = encode(fast)
        loss = _total(inner.parts, features)
        plain_loss = loss if outer is inner else _total(outer.parts, features)
        plain = _gradient(plain_loss, inner.generator_params)
        captured: list[Tensor] = []

        def capture(grads: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
            refuse_once_differentiable(grads := filled(grads, fast))
            captured.extend(grad.detach() for grad in grads)
            return grads

        params = list(unroll.step(loss, params=fast, grad_callback=capture))
        for _ in range(steps - 1):
            params = list(unroll.step(_total(inner.parts, encode(params)), params=params))
        meta = _gradient(_total(outer.parts, encode(params)), inner.generator_params)
    return MetaGradient(
        encoder=captured,
        generator=meta,
        loss=loss.detach(),
        plain_generator=plain,
        features=features.detach(),
    )


def _total(parts: Sequence[Callable[[Tensor], Tensor]], features: Tensor) -> Tensor:
    return torch.stack([part(features) for part in parts]).sum()


def _gradient(loss: Tensor, params: list[Tensor]) -> list[Tensor]:
    if not loss.requires_grad or not params:
        return [torch.zeros_like(param) for param in params]
    grads = torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(param) if grad is None else grad.detach()
        for grad, param in zip(grads, params, strict=True)
    ]
