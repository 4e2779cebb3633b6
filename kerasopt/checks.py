"""What numbers given as arguments must be, with one wording for all of them.

Like `kerasopt.names` this imports nothing but the standard library.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

__all__ = [
    "fraction",
    "integer",
    "non_negative",
    "positive",
    "proper_fraction",
    "share",
]


def positive(name: str, value: Any) -> float:
    """Return a finite number > 0, or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given.

    Example:
        >>> positive("learning_rate", 0.1)
        0.1
        >>> positive("learning_rate", 0)
        Traceback (most recent call last):
        ...
        ValueError: learning_rate must be a number > 0; given: 0.
    """
    if not _is_finite(value) or value <= 0:
        raise ValueError(f"{name} must be a number > 0; given: {value!r}.")
    return float(value)


def non_negative(name: str, value: Any) -> float:
    """Return a finite number >= 0, or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given.

    Example:
        >>> non_negative("l2", 0)
        0.0
    """
    if not _is_finite(value) or value < 0:
        raise ValueError(f"{name} must be a number >= 0; given: {value!r}.")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1), or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given.

    Example:
        >>> fraction("momentum", 0.9)
        0.9
    """
    if not _is_finite(value) or not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1); given: {value!r}.")
    return float(value)


def share(name: str, value: Any) -> float:
    """Return a number in [0, 1], or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given.

    Example:
        >>> share("alpha", 1)
        1.0
    """
    if not _is_finite(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1]; given: {value!r}.")
    return float(value)


def proper_fraction(name: str, value: Any) -> float:
    """Return a number in (0, 1), or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given.

    Example:
        >>> proper_fraction("factor", 0.5)
        0.5
    """
    if not _is_finite(value) or not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1); given: {value!r}.")
    return float(value)


def integer(name: str, value: Any, *, least: int = 1) -> int:
    """Return an integer of at least ``least``, or raise `ValueError`.

    Args:
        name: What the argument is called, for the message.
        value: What was given; NumPy's integers are fine, True isn't.
        least: Smallest accepted value; 1 by default.

    Example:
        >>> integer("patience", 3)
        3
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}; given: {value!r}.")
    return int(value)


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
