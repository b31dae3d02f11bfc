"""The engines behind one function: the gradients of a meta step, and of a plain step."""

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from ..arguments.ranges import check_choice, check_count, check_number
from ..distributed.processes import Processes
from .encoder_passes import Encode, EncoderPasses
from .errors import EngineError
from .exact import exact
from .first_order import first_order
from .inner_step import InnerStep, Precondition
from .lookahead import lookahead
from .objective_gradients import DifferentiableObjective, Objective
from .result import MetaGradient
from .unrolled import InnerOptimizer, unrolled

Engine = Literal["lookahead", "exact", "higher", "first_order"]


def check_inner_step(
    engine: str, inner_lr: float, steps: int = 1, optimizer: str = "sgd", momentum: float = 0.0
) -> None:
    """Check that an engine can take the inner steps asked for.

    Args:
        engine: Name of the engine.
        inner_lr: alpha.
        steps: Number of inner steps.
        optimizer: Name of the inner optimizer.
        momentum: Momentum of inner SGD.

    Raises:
        ValueError: If `inner_lr` is not positive or a name is unknown.
        EngineError: If the engine cannot do what is asked; the message names one that can.
    """
    check_choice("engine", engine, Engine)
    check_choice("inner_optimizer", optimizer, InnerOptimizer)
    check_number(
        "inner_lr, the look-ahead rate,",
        inner_lr,
        above=0,
        hint="0.05 is a good start, and a generator of null trains without a meta step",
    )
    check_count("inner_steps", steps)
    check_number("inner_momentum", momentum, at_least=0, below=1)
    if engine != "higher" and (steps > 1 or optimizer != "sgd" or momentum):
        raise EngineError(
            f"engine {engine!r} looks ahead by one plain SGD step, got inner_steps={steps}, "
            f"inner_optimizer={optimizer!r}, inner_momentum={momentum}; use engine 'higher'"
        )


def meta_gradient(
    encode: Encode | Sequence[Encode],
    encoder_params: Sequence[Tensor],
    objective: Objective | Sequence[Objective],
    generator_params: Sequence[Tensor],
    inner_lr: float,
    engine: Engine = "exact",
    *,
    outer_objective: Objective | Sequence[Objective] | None = None,
    outer_encode: Encode | Sequence[Encode] | None = None,
    precondition: Precondition | None = None,
    inner_steps: int = 1,
    inner_optimizer: InnerOptimizer = "sgd",
    inner_momentum: float = 0.0,
    plain_generator: bool = True,
    processes: Processes | None = None,
) -> MetaGradient:
    """Gradients of one meta step: the encoder's at theta, the generator's through the look-ahead.

    The generator minimizes `J(omega) = L(theta - alpha dL/d theta, omega)` (MetAug, section 3.4);
    in general `J(omega) = L'(f'(theta - alpha P dL/d theta), omega)`, with an outer objective L',
    of features f' of other images or of another representation, and a preconditioner P.

    Args:
        encode: `encode(params) -> features [n, V, D]`, or several for micro-batches.
        encoder_params: theta, the parameters that `encode` takes.
        objective: `objective(features [G, V, D]) -> scalar` closing over the generator, or
            several whose sum it is. The encoder minimizes it.
        generator_params: omega, leaves that require grad and that `objective` closes over.
        inner_lr: alpha > 0, the look-ahead rate.
        engine: `lookahead`, `exact`, `higher` or `first_order`.
        outer_objective: What the generator minimizes at the look-ahead; None for `objective`.
        outer_encode: `outer_encode(params) -> features` of the outer objective: those of a held-out
            batch, or another representation, instances first; None for `encode`. Not with
            `lookahead`.
        precondition: P, from tensors like theta to tensors like them: linear, constant, of
            operations that torch differentiates (an optimizer's scaling, a mask); None for the
            identity. `lookahead` takes it to be symmetric.
        inner_steps: Number of inner steps (`higher` alone does more than 1).
        inner_optimizer: `sgd`, or `adam` (`higher` alone).
        inner_momentum: Momentum of inner SGD (`higher` alone; it matters from 2 steps on).
        plain_generator: Whether the plain gradient of the generator is wanted too, that of the
            outer objective at theta; where it is another one, it costs an evaluation, and where
            it is of other features, a forward pass of the encoder as well.
        processes: The processes that share the global batch; None for this one alone.

    Returns:
        The gradients, without a graph.

    Raises:
        ValueError: If `inner_lr` is not positive or the engine is unknown.
        EngineError: If the engine cannot do what is asked; the message names one that can.
    """
    check_inner_step(engine, inner_lr, inner_steps, inner_optimizer, inner_momentum)
    passes = EncoderPasses(encode, encoder_params, processes, engine)
    outer_passes = passes
    if outer_encode is not None:
        outer_passes = EncoderPasses(outer_encode, encoder_params, processes, engine)
    step = InnerStep(inner_lr, precondition)
    inner = DifferentiableObjective(objective, generator_params)
    outer = (
        inner
        if outer_objective is None and outer_encode is None
        else DifferentiableObjective(
            objective if outer_objective is None else outer_objective, generator_params
        )
    )
    if engine == "higher":
        settings: dict[str, Any] = {"optimizer": inner_optimizer, "momentum": inner_momentum}
        settings["steps"] = inner_steps
        result = unrolled(passes, inner, outer, step, outer_passes, **settings)
    else:
        engines = {"lookahead": lookahead, "exact": exact, "first_order": first_order}
        result = engines[engine](passes, inner, outer, step, outer_passes)
    if outer is inner or not plain_generator:
        return result
    features = result.features if outer_passes is passes else outer_passes.forward(passes.params)
    return result._replace(plain_generator=outer.generator_gradient(features))


def encoder_gradient(
    encode: Encode | Sequence[Encode],
    encoder_params: Sequence[Tensor],
    objective: Objective | Sequence[Objective],
    *,
    processes: Processes | None = None,
) -> MetaGradient:
    """The encoder's gradient alone: a plain contrastive step, no look-ahead.

    Args:
        encode: As in `meta_gradient`.
        encoder_params: theta.
        objective: As in `meta_gradient`.
        processes: As in `meta_gradient`.

    Returns:
        The gradients; those of the generator are empty lists.
    """
    passes = EncoderPasses(encode, encoder_params, processes)
    features, pullback = passes.linearize(passes.params)
    point = DifferentiableObjective(objective, []).gradients_at(features)
    return MetaGradient(pullback(point.grad_features), [], point.loss, [], features)
