"""Checks as values: of sequences, of what may be None, of all arguments at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kerasopt.checks.values import ArgumentTypeError, plain, shown

__all__ = [
    "Rule",
    "apply",
    "each",
    "naming",
    "optional",
]

Rule = Callable[[str, Any], Any]
"""Takes an argument's name and value; returns the value, or raises."""


def each(
    name: str, values: Any, rule: Rule, *, length: int | None = None, least: int = 0
) -> list[Any]:
    """Return a list whose entries pass a check, or raise.

    Args:
        name: Name of the argument, for the message.
        values: The given value: a list, a tuple or an array of one axis.
        rule: The check of each entry.
        length: How many entries there must be; any number by default.
        least: Fewest entries; 0 by default.

    Raises:
        ArgumentTypeError: if the value isn't a sequence.
        ValueError: if it has too many or too few entries, or one doesn't pass.

    Example:
        >>> from kerasopt.checks import integer
        >>> each("units", (64, 32), integer)
        [64, 32]
    """
    found = plain(values)
    wanted = f"{length} values" if length is not None else "values"
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        raise ArgumentTypeError(
            f"{name} must be a list of {wanted}; given: {shown(values)}."
        )
    if length is not None and len(found) != length:
        raise ValueError(
            f"{name} must be a list of {wanted}; given {len(found)}: {shown(values)}."
        )
    if len(found) < least:
        raise ValueError(
            f"{name} must be a list of at least {least}; given: {shown(values)}."
        )
    return [rule(f"each of {name}", one) for one in found]


def optional(rule: Rule) -> Rule:
    """Return the check that lets None pass besides what a rule does.

    Args:
        rule: The check of everything but None.

    Example:
        >>> from kerasopt.checks import positive
        >>> optional(positive)("clipnorm", None), optional(positive)("clipnorm", 1)
        (None, 1.0)
    """
    return lambda name, value: None if value is None else rule(name, value)


def apply(rules: Mapping[str, Rule], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the rules of their names return them.

    Args:
        rules: The check of each argument.
        arguments: The given values by name.

    Raises:
        KeyError: if an argument has no rule, which is a mistake of the table.
        ValueError: if a value doesn't pass its check.

    Example:
        >>> from kerasopt.checks import fraction
        >>> apply({"momentum": fraction}, {"momentum": 0})
        {'momentum': 0.0}
    """
    return {name: rules[name](name, value) for name, value in arguments.items()}


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Put an argument's name before the message of any `ValueError` inside.

    Args:
        name: Name of the argument whose value is itself made of arguments.

    Example:
        >>> from kerasopt.checks import positive
        >>> with naming("learning_rate"):
        ...     _ = positive("peak", 0)
        Traceback (most recent call last):
        ...
        ValueError: learning_rate: peak must be a number > 0; given: 0.
    """
    try:
        yield
    except ValueError as error:
        if type(error) not in (ValueError, ArgumentTypeError):
            raise
        raise type(error)(f"{name}: {error}") from error
