"""Mean and standard deviation over runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum, isfinite, sqrt


@dataclass(frozen=True)
class Statistic:
    """Mean and standard deviation of one value over runs.

    Args:
        mean: Mean of the runs that have the value; None if none has.
        deviation: Sample standard deviation, its divisor n - 1; None of fewer than two.
        n: How many have it.
        missing: How many have not.

    Examples:
        >>> statistic_of([1.0, 3.0, 2.0, None])
        Statistic(mean=2.0, deviation=1.0, n=3, missing=1)
    """

    mean: float | None
    deviation: float | None
    n: int
    missing: int


def statistic_of(values: Iterable[float | None]) -> Statistic:
    """Mean and deviation of the finite values; all others count as missing.

    Args:
        values: One of each run.
    """
    given = list(values)
    known = [value for value in given if value is not None and isfinite(value)]
    mean = fsum(known) / len(known) if known else None
    deviation = None
    if mean is not None and len(known) > 1:
        deviation = sqrt(fsum((value - mean) ** 2 for value in known) / (len(known) - 1))
    return Statistic(mean, deviation, len(known), len(given) - len(known))
