"""Engine `exact`: the tangent by forward-mode AD, v by a backward pass at the look-ahead."""

from torch.nn.attention import SDPBackend, sdpa_kernel

from .encoder_passes import EncoderPasses, subtract_scaled
from .objective_gradients import DifferentiableObjective
from .result import MetaGradient


@sdpa_kernel(SDPBackend.MATH)  # alone has a tangent; other kernels draw other dropout masks
def exact(
    passes: EncoderPasses,
    inner: DifferentiableObjective,
    outer: DifferentiableObjective,
    inner_lr: float,
) -> MetaGradient:
    """The meta-gradient to rounding, without a second derivative through the encoder.

    `dJ = dL/d omega (theta-hat, omega) - alpha * d<J f . v, dL/dZ>/d omega` with
    `v = dL/d theta-hat`. Costs 8 to 9 encoder forwards; the encoder must have forward-mode
    derivatives.

    Args:
        passes: The encoder.
        inner: The encoder's objective.
        outer: The generator's objective; the same object if it is the same.
        inner_lr: alpha, the look-ahead rate.
    """
    features, pullback = passes.linearize(passes.params, tangent_follows=True)
    point = inner.gradients_at(features, of_generator=outer is inner, second_order=True)
    gradient = pullback(point.grad_features)
    ahead, pullback_ahead = passes.linearize(subtract_scaled(passes.params, gradient, inner_lr))
    point_ahead = outer.gradients_at(ahead)
    direction = pullback_ahead(point_ahead.grad_features)
    del pullback_ahead  # and with it the look-ahead parameters
    mixed = point.mixed_derivative(passes.tangent(passes.params, direction))
    return MetaGradient(
        encoder=gradient,
        generator=subtract_scaled(point_ahead.grad_generator, mixed, inner_lr),
        loss=point.loss,
        plain_generator=point.grad_generator,
        features=features,
    )
