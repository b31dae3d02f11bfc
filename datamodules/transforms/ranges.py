"""The ranges of numbers in signatures, checked where the numbers are taken in."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any


def check(
    value: Any,
    name: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
    optional: bool = False,
    why: str = "",
) -> None:
    """Refuse what is not a finite number in a range.

    Args:
        value: What was passed.
        name: Name of the argument.
        above: The number must be larger than this.
        at_least: The number must be this or larger.
        below: The number must be smaller than this.
        at_most: The number must be this or smaller.
        whole: Whether it must be a whole number.
        optional: Whether None may stand for it.
        why: What to add to the message.

    Raises:
        ValueError: If it is not such a number.
    """
    if value is None and optional:
        return
    kind: Any = Integral if whole else Real
    if (
        isinstance(value, bool)
        or not isinstance(value, kind)
        or not math.isfinite(value)
        or (above is not None and value <= above)
        or (at_least is not None and value < at_least)
        or (below is not None and value >= below)
        or (at_most is not None and value > at_most)
    ):
        bounds = {"above": above, "at least": at_least, "below": below, "at most": at_most}
        said = " and ".join(
            f"{word} {bound}" for word, bound in bounds.items() if bound is not None
        )
        noun = "a whole number" if whole else "a finite number"
        must = f"{noun} {said}".strip() + (", or null" if optional else "")
        raise ValueError(
            "; ".join(filter(None, [f"{name} must be {must}, got {value!r}", why])) + "."
        )


def check_part(value: Any, name: str) -> None:
    """Refuse what is not a part or a probability, in [0, 1]."""
    check(value, name, at_least=0, at_most=1)


def check_pair(value: Any, name: str, **bounds: Any) -> tuple[float, float]:
    """Refuse what is not (low, high) with low <= high, both within the bounds of `check`."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ValueError(f"{name} must be two numbers (low, high), got {value!r}.")
    for number in value:
        check(number, f"each number of {name}", **bounds)
    low, high = value
    if low > high:
        raise ValueError(f"{name} must be (low, high) with low <= high, got {value!r}.")
    return float(low), float(high)


def check_size(value: Any, name: str, *, optional: bool = False) -> None:
    """Refuse what is not an edge in pixels."""
    check(value, name, at_least=2, at_most=16_384, whole=True, optional=optional)


def check_seed(value: Any) -> None:
    """Refuse what torch, NumPy and Python do not all take for a seed."""
    check(value, "seed", at_least=0, at_most=2**32 - 1, whole=True)


def check_normalization(mean: Any, std: Any, *, channels: int | None = None) -> None:
    """Refuse means and standard deviations that are no numbers, or not one per channel.

    Args:
        mean: Mean of every channel, or None.
        std: Standard deviation of every channel, or None.
        channels: Number of channels; None if it is not known.
    """
    for name, values, above in (("mean", mean, None), ("std", std, 0.0)):
        if values is None:
            continue
        if isinstance(values, str | Real) or not len(values):
            raise ValueError(f"{name} must be a list, one number per channel, got {values!r}.")
        for value in values:
            check(value, f"each number of {name}", above=above)
        if channels is not None and len(values) != channels:
            raise ValueError(
                f"{name} must hold one number per channel of the images, {channels} "
                f"(image_channels), got {list(values)}. `metaug statistics` computes them."
            )
    if mean is not None and std is not None and len(mean) != len(std):
        raise ValueError(
            f"mean and std must be of one length, got {list(mean)} and {list(std)}: one number per "
            "channel each."
        )


def check_choice(value: Any, name: str, choices: Sequence[Any]) -> None:
    """Refuse what is not one of a few values."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = [repr(choice) for choice in choices]
        raise ValueError(f"{name} must be {', '.join(listed[:-1])} or {listed[-1]}, got {value!r}.")
