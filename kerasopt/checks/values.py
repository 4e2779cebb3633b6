"""Values of any kind, as plain Python ones and in messages; flags and texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

__all__ = [
    "ArgumentTypeError",
    "boolean",
    "choice",
    "class_names",
    "instance",
    "plain",
    "sequence",
    "shown",
    "text",
]

SHOWN = 200
"""Most characters of a value in a message."""


class ArgumentTypeError(TypeError, ValueError):
    """An argument has a wrong type.

    It is a `TypeError`, and a `ValueError` as well, so that one ``except ValueError``
    catches whatever is wrong with an argument.
    """


def plain(value: Any) -> Any:
    """Return NumPy scalars and arrays as Python's numbers and lists, all else as it is.

    Args:
        value: Anything.

    Example:
        >>> import numpy as np
        >>> plain(np.int64(3)), plain(np.array([0.5, 1.0])), plain("mlp")
        (3, [0.5, 1.0], 'mlp')
    """
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    return value


def shown(value: Any) -> str:
    """Return the text of a value for a message, shortened.

    Args:
        value: Anything.

    Example:
        >>> len(shown("a" * 1000))
        200
    """
    found = repr(plain(value))
    return found if len(found) <= SHOWN else f"{found[: SHOWN - 1]}…"


def boolean(name: str, value: Any) -> bool:
    """Return True or False, or raise: no other value is taken for one of them.

    Args:
        name: Name of the argument, for the message.
        value: The given value; NumPy's booleans are fine.

    Raises:
        ArgumentTypeError: if the value isn't a boolean.

    Example:
        >>> boolean("nesterov", True)
        True
        >>> boolean("nesterov", "no")
        Traceback (most recent call last):
        ...
        kerasopt.checks.values.ArgumentTypeError: nesterov must be True or False; ...
    """
    found = plain(value)
    if not isinstance(found, bool):
        raise ArgumentTypeError(f"{name} must be True or False; given: {shown(value)}.")
    return found


def text(name: str, value: Any) -> str:
    """Return a text of at least one character, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.

    Raises:
        ArgumentTypeError: if the value isn't a text.
        ValueError: if it is empty.

    Example:
        >>> text("name", "adam")
        'adam'
    """
    found = plain(value)
    if not isinstance(found, str):
        raise ArgumentTypeError(f"{name} must be a text; given: {shown(value)}.")
    if not found:
        raise ValueError(f"{name} must not be empty; given: ''.")
    return found


def choice(name: str, value: Any, accepted: Iterable[str | None]) -> Any:
    """Return a value that is one of the accepted ones, or raise.

    Args:
        name: Name of the argument, for the message.
        value: The given value.
        accepted: The accepted texts; None may be among them.

    Raises:
        ValueError: if the value is none of them.

    Example:
        >>> choice("padding", "same", ("same", "valid"))
        'same'
    """
    found, accepted = plain(value), list(accepted)
    if not (found is None or isinstance(found, str)) or found not in accepted:
        words = ", ".join(map(repr, accepted))
        raise ValueError(f"{name} must be one of {words}; given: {shown(value)}.")
    return found


def instance(name: str, value: Any, kind: type | tuple[type, ...], what: str) -> None:
    """Raise unless a value is an object of a class.

    Args:
        name: Name of the argument, for the message.
        value: The given value.
        kind: The accepted class, or several.
        what: The accepted objects in words, with their article.

    Raises:
        ArgumentTypeError: if it is none.

    Example:
        >>> instance("model", 3, dict, "a dict")
        Traceback (most recent call last):
        ...
        kerasopt.checks.values.ArgumentTypeError: model must be a dict; given: 3.
    """
    if not isinstance(value, kind):
        raise ArgumentTypeError(f"{name} must be {what}; given: {shown(value)}.")


def sequence(name: str, value: Any, what: str) -> list[Any]:
    """Return several values as a list of plain ones, or raise.

    Args:
        name: Name of the argument, for the message.
        value: Anything that can be iterated over; one text and a dict are no lists.
        what: The accepted list in words, with its article.

    Raises:
        ArgumentTypeError: if it is no list.

    Example:
        >>> sequence("units", (64, 32), "a list of integers")
        [64, 32]
        >>> sequence("units", "64", "a list of integers")
        Traceback (most recent call last):
        ...
        kerasopt.checks.values.ArgumentTypeError: units must be a list of integers; ...
    """
    found = plain(value)
    is_one = isinstance(found, (str, bytes, Mapping))
    if is_one or not isinstance(found, Iterable):
        raise ArgumentTypeError(f"{name} must be {what}; given: {shown(value)}.")
    return list(found)


def class_names(given: Any) -> tuple[str, ...]:
    """Return names of classes as text.

    Args:
        given: A sequence of text or numbers, or None.

    Returns:
        The names; none for None.

    Raises:
        TypeError: if it isn't a sequence, or if a name is neither text nor a number.
        ValueError: if a name is empty or stands twice.

    Example:
        >>> class_names(["cat", "dog"]), class_names(None)
        (('cat', 'dog'), ())
    """
    if given is None:
        return ()
    is_one = isinstance(given, (str, bytes, set, frozenset, Mapping))
    if is_one or not hasattr(given, "__iter__"):
        raise TypeError(
            f"class_names is a {type(given).__name__}. Accepted: a list with a "
            "name for each class, in the order of the labels."
        )
    names = tuple(map(_class_name, given))
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(
            f"class_names must differ; given more than once: {', '.join(repeated)}."
        )
    return names


def _class_name(name: Any) -> str:
    name = plain(name)
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if not isinstance(name, (str, Real)) or str(name) == "nan":
        raise TypeError(
            f"class_names has {name!r} of type {type(name).__name__}. Names are text "
            "or numbers."
        )
    if not str(name).strip():
        raise ValueError("class_names has an empty name: give each class a name.")
    return str(name)
