"""Engine ``first_order``: looks ahead but drops the mixed second derivative; for ablation."""

from .encoding import Encoding, stepped
from .head import Head
from .result import MetaGradient


def first_order(encoding: Encoding, inner: Head, outer: Head, inner_lr: float) -> MetaGradient:
    """``dL/d omega`` at the look-ahead alone. Costs 4 encoder forwards.

    Args:
        encoding: The encoder.
        inner: The encoder's objective as a head.
        outer: The generator's objective as a head; the same object if it is the same.
        inner_lr: alpha, the look-ahead rate.
    """
    features, pullback = encoding.linearize(encoding.params)
    point = inner.at(features)
    plain = point if outer is inner else outer.at(features)
    gradient = pullback(point.features)
    ahead = encoding.forward(stepped(encoding.params, gradient, inner_lr))
    return MetaGradient(
        encoder=gradient,
        generator=outer.at(ahead).generator,
        loss=point.loss,
        plain_generator=plain.generator,
        features=features,
    )
