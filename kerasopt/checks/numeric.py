"""Checks of numbers."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from kerasopt.checks.values import ArgumentTypeError, plain, shown

__all__ = [
    "fraction",
    "integer",
    "non_negative",
    "number",
    "positive",
    "proper_fraction",
    "seed",
    "share",
]

LARGEST = 3.4028234663852886e38
"""Largest number of float32, in which models compute: beyond it lies infinity."""

MOST = 2**31 - 1
"""Largest integer that is accepted anywhere: TensorFlow counts in 32 bits."""


def number(name: str, value: Any) -> float:
    """Return a finite number, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number; booleans aren't.
        ValueError: if it is NaN or infinite, in float32 or at all.

    Example:
        >>> number("learning_rate_power", -0.5)
        -0.5
    """
    return _number(name, value, "be a finite number", lambda found: True)


def positive(name: str, value: Any) -> float:
    """Return a finite number > 0, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number.
        ValueError: if it is out of range.

    Example:
        >>> positive("learning_rate", 0.1)
        0.1
        >>> positive("learning_rate", 0)
        Traceback (most recent call last):
        ...
        ValueError: learning_rate must be a number > 0; given: 0.
    """
    return _number(name, value, "be a number > 0", lambda found: found > 0)


def non_negative(name: str, value: Any) -> float:
    """Return a finite number >= 0, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number.
        ValueError: if it is out of range.

    Example:
        >>> non_negative("l2", 0)
        0.0
    """
    return _number(name, value, "be a number >= 0", lambda found: found >= 0)


def fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1), or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number.
        ValueError: if it is out of range.

    Example:
        >>> fraction("momentum", 0.9)
        0.9
    """
    return _number(name, value, "lie in [0, 1)", lambda found: 0 <= found < 1)


def share(name: str, value: Any) -> float:
    """Return a number in [0, 1], or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number.
        ValueError: if it is out of range.

    Example:
        >>> share("alpha", 1)
        1.0
    """
    return _number(name, value, "lie in [0, 1]", lambda found: 0 <= found <= 1)


def proper_fraction(name: str, value: Any) -> float:
    """Return a number in (0, 1), or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a number.
        ValueError: if it is out of range.

    Example:
        >>> proper_fraction("factor", 0.5)
        0.5
    """
    return _number(name, value, "lie in (0, 1)", lambda found: 0 < found < 1)


def integer(name: str, value: Any, *, least: int = 1, most: int = MOST) -> int:
    """Return an integer from ``least`` to ``most``, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value; NumPy's integers are fine, True isn't.
        least: Smallest accepted value; 1 by default.
        most: Largest accepted value; 2³¹ - 1 by default.

    Raises:
        ArgumentTypeError: if the value isn't an integer.
        ValueError: if it is out of range.

    Example:
        >>> integer("patience", 3)
        3
    """
    found: Any = plain(value)
    accepted = f"{name} must be an integer >= {least}"
    is_integer = isinstance(found, Integral) and not isinstance(found, bool)
    if not is_integer:
        raise ArgumentTypeError(f"{accepted}; given: {shown(value)}{_quoted(found)}.")
    if found < least:
        raise ValueError(f"{accepted}; given: {shown(value)}.")
    if found > most:
        raise ValueError(f"{accepted} and <= {most}; given: {shown(value)}.")
    return int(found)


def seed(name: str, value: Any) -> int | None:
    """Return None or an integer from 0 to 2³¹ - 1, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value is neither None nor an integer.
        ValueError: if it is out of range.

    Example:
        >>> seed("seed", 0)
        0
    """
    return None if value is None else integer(name, value, least=0)


def _number(
    name: str, value: Any, accepted: str, holds: Callable[[Any], bool]
) -> float:
    found: Any = plain(value)
    is_number = isinstance(found, Real) and not isinstance(found, bool)
    if not is_number:
        raise ArgumentTypeError(
            f"{name} must {accepted}; given: {shown(value)}{_quoted(found)}."
        )
    if holds(found) and LARGEST < abs(found) < float("inf"):
        raise ValueError(
            f"{name} must {accepted} and of float32, at most {LARGEST:.2g}; given: "
            f"{shown(value)}."
        )
    # NaN is not smaller than anything.
    if not (abs(found) <= LARGEST and holds(found)):
        raise ValueError(f"{name} must {accepted}; given: {shown(value)}.")
    return float(found)


def _quoted(value: Any) -> str:
    """Say of a text that would be a number without its quotes how to mend it."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return ", a text; leave the quotes out"
