"""Engine ``lookahead``: the tangent by the difference that the look-ahead forward leaves anyway."""

from .encoding import Encoding, stepped
from .head import Head
from .result import MetaGradient


def lookahead(encoding: Encoding, inner: Head, outer: Head, inner_lr: float) -> MetaGradient:
    """Meta-gradient with ``Z-dot ~ (Z - f(theta - alpha g)) / alpha`` and ``v ~ g``.

    Costs 4 encoder forwards (a plain contrastive step costs 3) and needs neither forward-mode nor
    second derivatives of the encoder. Exact up to O(alpha^2) if both objectives are the same; if
    they differ, v ~ g neglects the part of v that the outer objective adds.

    Args:
        encoding: The encoder.
        inner: The encoder's objective as a head.
        outer: The generator's objective as a head; the same object if it is the same.
        inner_lr: alpha, the look-ahead rate.
    """
    features, pullback = encoding.linearize(encoding.params)
    point = inner.at(features, second_order=True)
    plain = point if outer is inner else outer.at(features)
    gradient = pullback(point.features)
    ahead = encoding.forward(stepped(encoding.params, gradient, inner_lr))
    direct = outer.at(ahead).generator
    mixed = point.mixed((features - ahead) / inner_lr)
    return MetaGradient(
        encoder=gradient,
        generator=stepped(direct, mixed, inner_lr),
        loss=point.loss,
        plain_generator=plain.generator,
        features=features,
    )
