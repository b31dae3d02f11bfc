"""Engine `first_order`: looks ahead but drops the mixed second derivative; for ablation."""

from .encoder_passes import EncoderPasses
from .inner_step import InnerStep
from .objective_gradients import DifferentiableObjective
from .result import MetaGradient


def first_order(
    passes: EncoderPasses,
    inner: DifferentiableObjective,
    outer: DifferentiableObjective,
    step: InnerStep,
    outer_passes: EncoderPasses,
) -> MetaGradient:
    """`dL/d omega` at the look-ahead alone. Costs 4 encoder forwards.

    Args:
        passes: The encoder.
        inner: The encoder's objective.
        outer: The generator's objective; the same object if it is the same.
        step: The look-ahead step.
        outer_passes: The encoder at the look-ahead; the same object if it encodes the same.
    """
    features, pullback = passes.linearize(passes.params)
    point = inner.gradients_at(features, of_generator=outer is inner)
    gradient = pullback(point.grad_features)
    ahead = outer_passes.forward(step.ahead(passes.params, gradient))
    return MetaGradient(
        encoder=gradient,
        generator=outer.generator_gradient(ahead),
        loss=point.loss,
        plain_generator=point.grad_generator,
        features=features,
    )
