"""Engine `lookahead`: the tangent by the difference that the look-ahead forward leaves anyway."""

from .encoder_passes import EncoderPasses, subtract_scaled
from .objective_gradients import DifferentiableObjective
from .result import MetaGradient


def lookahead(
    passes: EncoderPasses,
    inner: DifferentiableObjective,
    outer: DifferentiableObjective,
    inner_lr: float,
) -> MetaGradient:
    """Meta-gradient with `Z-dot ~ (Z - f(theta - alpha g)) / alpha` and `v ~ g`.

    Costs 4 encoder forwards (a plain contrastive step costs 3) and needs neither forward-mode nor
    second derivatives of the encoder. Exact up to O(alpha^2) if both objectives are the same; if
    they differ, v ~ g neglects the part of v that the outer objective adds.

    Args:
        passes: The encoder.
        inner: The encoder's objective.
        outer: The generator's objective; the same object if it is the same.
        inner_lr: alpha, the look-ahead rate.
    """
    features, pullback = passes.linearize(passes.params)
    point = inner.gradients_at(features, of_generator=outer is inner, second_order=True)
    gradient = pullback(point.grad_features)
    ahead = passes.forward(subtract_scaled(passes.params, gradient, inner_lr))
    direct = outer.generator_gradient(ahead)
    mixed = point.mixed_derivative((features - ahead) / inner_lr)
    return MetaGradient(
        encoder=gradient,
        generator=subtract_scaled(direct, mixed, inner_lr),
        loss=point.loss,
        plain_generator=point.grad_generator,
        features=features,
    )
