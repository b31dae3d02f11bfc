"""Engine `higher`: unrolled inner steps by the library of that name; the reference."""

import warnings
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from .encoder_passes import EncoderPasses, not_compiled
from .errors import (
    EngineError,
    RefuseRecomputation,
    explained,
    refuse_once_differentiable,
)
from .inner_step import InnerStep
from .objective_gradients import DifferentiableObjective, gradients
from .result import MetaGradient

InnerOptimizer = Literal["sgd", "adam"]


def unrolled(
    passes: EncoderPasses,
    inner: DifferentiableObjective,
    outer: DifferentiableObjective,
    step: InnerStep,
    outer_passes: EncoderPasses,
    *,
    steps: int = 1,
    optimizer: InnerOptimizer = "sgd",
    momentum: float = 0.0,
) -> MetaGradient:
    """Differentiate through inner optimizer steps that `higher` makes differentiable.

    Costs about 12 encoder forwards for one step, and the memory of all steps' graphs; the encoder
    must have second derivatives.

    Args:
        passes: The encoder, whole and on one process.
        inner: The encoder's objective.
        outer: The generator's objective; the same object if it is the same.
        step: The inner optimizer's learning rate, and what becomes of gradients before it.
        outer_passes: The encoder at the look-ahead; the same object if it encodes the same.
        steps: Number of inner steps, >= 1.
        optimizer: `sgd` or `adam`.
        momentum: Momentum of `sgd`.

    Raises:
        EngineError: On several processes or micro-batches, or if the encoder has no second
            derivatives.
    """
    pieces = max(len(passes.micro_batches), len(outer_passes.micro_batches))
    if passes.processes.count > 1 or pieces > 1:
        raise EngineError(
            f"engine 'higher' unrolls one process and one whole batch, got "
            f"{passes.processes.count} processes and {pieces} micro-batches; "
            "use engine 'exact', which gives the same gradient"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # higher imports modules that newer torch deprecates
        import higher

    encode, encode_outer = passes.micro_batches[0], outer_passes.micro_batches[0]
    fast = [param.detach().clone().requires_grad_() for param in passes.params]
    base: torch.optim.Optimizer
    if optimizer == "adam":
        base = torch.optim.Adam(fast, lr=step.rate)
    else:
        base = torch.optim.SGD(fast, lr=step.rate, momentum=momentum)
    unroll = higher.get_diff_optim(base, fast, track_higher_grads=True)

    with (
        explained("higher", "second derivatives of the encoder"),
        sdpa_kernel(SDPBackend.MATH),
        not_compiled(),
        torch.enable_grad(),
        RefuseRecomputation("higher"),
    ):
        features = encode(fast)
        loss = inner.value(features)
        params_of_both = inner.generator_params if outer is inner else []
        plain = gradients(loss, params_of_both, retain_graph=True)
        captured: list[list[Tensor]] = []

        def capture(grads: Sequence[Tensor | None]) -> list[Tensor]:
            filled = [
                torch.zeros_like(param) if grad is None else grad
                for grad, param in zip(grads, fast, strict=True)
            ]
            refuse_once_differentiable(filled)
            captured.append([grad.detach() for grad in filled])
            return step.direction(filled)

        params = list(unroll.step(loss, params=fast, grad_callback=capture))
        for _ in range(steps - 1):
            params = list(
                unroll.step(inner.value(encode(params)), params=params, grad_callback=capture)
            )
        meta = gradients(outer.value(encode_outer(params)), inner.generator_params)
    return MetaGradient(
        encoder=captured[0],
        generator=meta,
        loss=loss.detach(),
        plain_generator=plain,
        features=features.detach(),
    )
