"""Engine `exact`: the tangent by forward-mode AD, v by a backward pass at the look-ahead."""

from torch.nn.attention import SDPBackend, sdpa_kernel

from .encoder_passes import EncoderPasses, subtract_scaled
from .inner_step import InnerStep
from .objective_gradients import DifferentiableObjective
from .result import MetaGradient


@sdpa_kernel(SDPBackend.MATH)  # alone has a tangent; other kernels draw other dropout masks
def exact(
    passes: EncoderPasses,
    inner: DifferentiableObjective,
    outer: DifferentiableObjective,
    step: InnerStep,
    outer_passes: EncoderPasses,
) -> MetaGradient:
    """The meta-gradient to rounding, without a second derivative through the encoder.

    `dJ = dL/d omega (theta-hat, omega) - alpha * d<J f . v, dL/dZ>/d omega` with
    `v = P^T dL/d theta-hat`, P the identity if there is no preconditioner. Costs 8 to 9 encoder
    forwards; the encoder must have forward-mode derivatives.

    Args:
        passes: The encoder.
        inner: The encoder's objective.
        outer: The generator's objective; the same object if it is the same.
        step: The look-ahead step.
        outer_passes: The encoder at the look-ahead; the same object if it encodes the same.
    """
    features, pullback = passes.linearize(passes.params, tangent_follows=True)
    point = inner.gradients_at(features, of_generator=outer is inner, second_order=True)
    gradient = pullback(point.grad_features)
    ahead, pullback_ahead = outer_passes.linearize(step.ahead(passes.params, gradient))
    point_ahead = outer.gradients_at(ahead)
    direction = step.transposed(pullback_ahead(point_ahead.grad_features))
    del pullback_ahead  # and with it the look-ahead parameters
    mixed = point.mixed_derivative(passes.tangent(passes.params, direction))
    return MetaGradient(
        encoder=gradient,
        generator=subtract_scaled(point_ahead.grad_generator, mixed, step.rate),
        loss=point.loss,
        plain_generator=point.grad_generator,
        features=features,
    )
