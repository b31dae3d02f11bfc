"""The range of a number, checked where it is taken in."""

import math
from numbers import Integral, Real
from typing import Any, get_args


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    hint: str = "",
) -> None:
    """Check that an argument is a finite number in its range.

    Args:
        name: The argument.
        value: What was given.
        above: The number must be greater.
        at_least: The number must be as great or greater.
        below: The number must be less.
        at_most: The number must be as great or less.
        hint: What else to say of a number out of range.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is out of range, infinite or not a number (nan).

    Examples:
        >>> check_number("momentum", 5, at_least=0, below=1)
        Traceback (most recent call last):
        ...
        ValueError: momentum must be at least 0 and less than 1, got 5
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    bounds = (
        ("greater than", above, lambda bound: value > bound),
        ("at least", at_least, lambda bound: value >= bound),
        ("less than", below, lambda bound: value < bound),
        ("at most", at_most, lambda bound: value <= bound),
    )
    given = [(words, bound, holds) for words, bound, holds in bounds if bound is not None]
    if math.isfinite(value) and all(holds(bound) for _, bound, holds in given):
        return
    must = " and ".join(f"{words} {bound:g}" for words, bound, _ in given) or "finite"
    if math.isinf(value) and given:
        must += " and finite"
    raise ValueError(f"{name} must be {must}, got {value}{'; ' if hint else ''}{hint}")


def check_count(
    name: str, value: Any, *, at_least: int = 1, at_most: int | None = None, hint: str = ""
) -> None:
    """Check that an argument is a whole number in its range.

    Args:
        name: The argument.
        value: What was given.
        at_least: The least number.
        at_most: The greatest number.
        hint: What else to say of a number out of range.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is out of range.

    Examples:
        >>> check_count("hidden_dim", 0)
        Traceback (most recent call last):
        ...
        ValueError: hidden_dim must be at least 1, got 0
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    check_number(name, value, at_least=at_least, at_most=at_most, hint=hint)


def check_choice(name: str, value: Any, kind: Any) -> None:
    """Check that an argument is one of the words of a `Literal`.

    Args:
        name: The argument.
        value: What was given.
        kind: The `Literal`.

    Raises:
        ValueError: If it is another, with the words.

    Examples:
        >>> from typing import Literal
        >>> check_choice("margin kind", "wide", Literal["large", "small"])
        Traceback (most recent call last):
        ...
        ValueError: margin kind 'wide' is unknown; use one of large, small
    """
    if value not in get_args(kind):
        raise ValueError(f"{name} {value!r} is unknown; use one of {', '.join(get_args(kind))}")


def check_seed(value: Any) -> None:
    """Check that a seed is one that torch and NumPy take.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is negative or has more than 32 bits.
    """
    check_count("seed", value, at_least=0, at_most=2**32 - 1)


def check_attraction_weight(value: Any) -> None:
    """Check the weight of attraction against repulsion in a contrastive loss.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is not positive and finite.
    """
    check_number("attraction_weight", value, above=0, hint="1 weighs both alike")
