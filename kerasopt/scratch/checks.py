"""What the theory's functions demand of their input, said once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from kerasopt.checks import fraction, instance, integer, non_negative, positive

__all__ = [
    "Rate",
    "float_array",
    "fraction",
    "generator",
    "instance",
    "integer",
    "learning_rate",
    "non_negative",
    "one_of",
    "positive",
    "rate_at",
]

Rate = float | Callable[[int], float]
"""A learning rate: a number, or a function of the step, which counts from 0."""


def float_array(
    name: str, value: Any, *, shape: tuple[int | None, ...] | None = None
) -> np.ndarray:
    """Return an array of finite floats as it is: not a copy, not cast.

    Args:
        name: What the argument is called, for the message.
        value: The array; integers are refused, since ``array -= step`` would cut
            the fractions off.
        shape: The shape that it must have, with None for any size.

    Raises:
        ValueError: if it holds no floats, NaN or infinity, or has another shape.

    Example:
        >>> float_array("theta", np.zeros(2), shape=(3,))
        Traceback (most recent call last):
        ...
        ValueError: theta must have shape (3,); given: (2,).
    """
    array = np.asarray(value)
    if array.dtype.kind != "f":
        fix = " Convert it with .astype(float)." if array.dtype.kind in "iub" else ""
        raise ValueError(f"{name} must hold floats; given: dtype {array.dtype}.{fix}")
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array)).tolist()
        raise ValueError(
            f"{name} must be finite; given: {len(bad)} of {array.size} values are NaN "
            f"or infinite, the first at {bad[0]}. Clean the data, or lower the "
            "learning rate if they came from training."
        )
    if shape is not None and not _fits(array.shape, shape):
        wanted = str(tuple("any" if n is None else n for n in shape)).replace("'", "")
        column = array.ndim == 1 and shape in ((None, None), (None, 1), (len(array), 1))
        fix = " Make it a column with .reshape(-1, 1)." if column else ""
        raise ValueError(f"{name} must have shape {wanted}; given: {array.shape}.{fix}")
    return array


def generator(seed: Any) -> np.random.Generator:
    """Return the generator of a seed: an integer >= 0, a generator itself, or None.

    Example:
        >>> first, second = generator(3), generator(np.int64(3))
        >>> first.random() == second.random()
        True
    """
    if seed is not None and not isinstance(seed, np.random.Generator):
        seed = integer("seed", seed, least=0)
    return np.random.default_rng(seed)


def learning_rate(value: Any) -> Rate:
    """Return a learning rate: a number > 0, or a schedule, which is a function.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> learning_rate(0.1)
        0.1
    """
    if callable(value):
        return value
    try:
        return positive("learning_rate", value)
    except ValueError:
        raise ValueError(
            "learning_rate must be a number > 0, or a function from the step to one; "
            f"given: {value!r}."
        ) from None


def rate_at(rate: Rate, step: int) -> float:
    """Return the learning rate at a step, which a schedule may bring down to 0.

    Raises:
        ValueError: if it isn't a finite number >= 0.

    Example:
        >>> rate_at(lambda step: 0.1 / (1 + step), 1)
        0.05
    """
    if not callable(rate):
        return rate
    return non_negative(f"learning_rate({step})", float(rate(step)))


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return a word that is among the choices, or raise `ValueError`.

    Example:
        >>> one_of("activation", "relu", ["relu", "tanh"])
        'relu'
    """
    choices = list(choices)
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(choices)}; given: {value!r}."
        )
    return str(value)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == given for size, given in zip(wanted, shape, strict=True)
    )
