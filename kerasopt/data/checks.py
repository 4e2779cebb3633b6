"""Checks on samples and weights: fail early, and say what to do."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from kerasopt.fetching.hashing import row_chunks

__all__ = [
    "Pair",
    "as_array",
    "as_pair",
    "as_triple",
    "check_features",
    "check_finite",
    "check_weights",
    "hint_for",
    "is_lazy",
    "is_missing",
]

Pair = tuple[Any, Any]

_IMAGE_SIDE = 16
_WHOLE = (int, np.integer, np.bool_)
_NUMBERS = (*_WHOLE, float, np.floating)
_GAPS = ("NoneType", "NAType", "NaTType")
"""Types of missing values; importing pandas for its own would take long."""

_HINTS = {
    "M": "Use parts of dates as numbers (year, month, weekday).",
    "m": "Use durations as numbers: x / numpy.timedelta64(1, 's').",
    "c": "Give real and imaginary parts as features of their own.",
    "V": "Give the fields as columns: "
    "numpy.lib.recfunctions.structured_to_unstructured(x).",
}


def as_array(values: Any, *, what: str) -> np.ndarray:
    """Turn anything array-like into an array; rows of unlike shapes are refused.

    Args:
        values: A list, array, tensor or data frame.
        what: How messages call it (``"train x"``).

    Returns:
        The array, which may share memory with `values`. Numbers as Python objects
        become an array of numbers, None among them NaN.

    Raises:
        TypeError: if it is no array at all (None, a generator, a sparse matrix).
        ValueError: if NumPy can't make one array of it, or if it is a masked
            array with masked values.

    Example:
        >>> as_array([[1, 2], [3, 4]], what="train x").shape
        (2, 2)
    """
    rows = values if isinstance(values, (list, tuple)) else ()
    if np.ma.is_masked(values) or any(map(np.ma.is_masked, rows)):
        raise ValueError(
            f"{what} has masked values (numpy.ma), which would be used as if they "
            "were not masked. Fill them (.filled(0)) or drop those rows."
        )
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise TypeError(
            f"{what} is a sparse matrix. Make it dense with its method toarray()."
        )
    try:
        array = np.asarray(values)
    # Other libraries' arrays raise errors of their own.
    except Exception as error:
        raise ValueError(
            f"{what} can't be made into one array ({error}). "
            "Give rows that all have the same shape."
        ) from error
    if array.dtype != object:
        return array
    if not array.ndim:
        raise TypeError(
            f"{what} is {'None' if values is None else f'a {type(values).__name__}'}. "
            "Accepted: an array, a list, a tensor or a data frame."
        )
    return _without_objects(array)


def _without_objects(array: np.ndarray) -> np.ndarray:
    """Return an array of Python objects as numbers, if all are; gaps become NaN."""
    kinds = {type(value) for value in array.flat}
    gaps = {kind for kind in kinds if kind.__name__ in _GAPS}
    numbers = kinds - gaps
    if not numbers or not all(issubclass(kind, _NUMBERS) for kind in numbers):
        return array
    if not gaps:
        for dtype, accepted in ((bool, (bool, np.bool_)), (np.int64, _WHOLE)):
            if all(issubclass(kind, accepted) for kind in numbers):
                # Whole numbers beyond 64 bits become floats.
                with contextlib.suppress(OverflowError):
                    return array.astype(dtype)
    values = [np.nan if type(value) in gaps else value for value in array.flat]
    return np.array(values, dtype=np.float64).reshape(array.shape)


def as_pair(pair: Any, *, what: str) -> Pair:
    """Unpack ``(x, y)``.

    Args:
        pair: A tuple or list of two.
        what: How messages call it (``"test"``).

    Returns:
        The two parts, as they are.

    Raises:
        ValueError: if it isn't a pair.

    Example:
        >>> as_pair(([1.0], [0]), what="test")
        ([1.0], [0])
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(
            f"{what} must be a pair (x, y) of arrays; given: {_described(pair)}."
        )
    return pair[0], pair[1]


def as_triple(split: Any, *, what: str) -> tuple[Any, Any, Any]:
    """Unpack ``(x, y)`` or ``(x, y, sample_weight)``.

    Args:
        split: A tuple or list of two or three.
        what: How messages call it (``"test"``).

    Returns:
        x, y and the weights, which are None if there are none.

    Raises:
        ValueError: if it is something else.

    Example:
        >>> as_triple(([1.0], [0]), what="test")
        ([1.0], [0], None)
    """
    if not isinstance(split, (tuple, list)) or len(split) not in (2, 3):
        raise ValueError(
            f"{what} must be a pair (x, y) or a triple (x, y, sample_weight); "
            f"given: {_described(split)}."
        )
    x, y, *weights = split
    return x, y, weights[0] if weights else None


def _described(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{size}"


def is_missing(name: Any) -> bool:
    """Say whether a name is blank, or the "nan" that NumPy makes of a gap in a list.

    Args:
        name: A text or a number.

    Example:
        >>> is_missing(" "), is_missing("nan"), is_missing("cat")
        (True, True, False)
    """
    return str(name).strip() in ("", "nan")


def check_features(x: Any, *, what: str) -> Any:
    """Check one array of samples.

    Any shape ``(n, ...)`` is accepted: vectors, series, images, volumes. Of
    numbers alone, ``(n,)``, each becomes a vector of one feature.

    Args:
        x: The samples, numbers. Lazy arrays (`ImageFiles`) pass as they are.
        what: How messages call them (``"train x"``).

    Returns:
        An array of rank 2 or more.

    Raises:
        ValueError: on no rows, values that aren't numbers, NaN and infinity,
            and images whose channels come first.

    Example:
        >>> check_features(np.zeros((5, 20, 3)), what="train x").shape
        (5, 20, 3)
        >>> check_features([0.5, 1.5], what="train x").shape
        (2, 1)
    """
    if is_lazy(x):
        return x
    array = as_array(x, what=what)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must hold numbers; given: dtype {array.dtype}. {hint_for(array)}"
        )
    if not array.ndim:
        raise ValueError(
            f"{what} is a single number. Accepted: arrays of shape (n, ...), one row "
            "for each sample."
        )
    if 0 in array.shape:
        raise ValueError(
            f"{what} is empty: its shape is {array.shape}. "
            "Give at least one sample, or None for a split that you don't have."
        )
    if array.ndim == 1:
        array = array[:, np.newaxis]
    _refuse_channels_first(array, what=what)
    check_finite(array, what=what)
    return array


def hint_for(array: np.ndarray) -> str:
    """Return how to make numbers of what an array holds.

    Example:
        >>> hint_for(np.array(["red"]))
        'Encode text and categories as numbers first.'
    """
    if array.dtype == object and any(hasattr(v, "shape") for v in array.flat):
        return "Its elements are arrays: stack them if they have one shape, \
numpy.stack(x)."
    return _HINTS.get(array.dtype.kind, "Encode text and categories as numbers first.")


def is_lazy(x: Any) -> bool:
    """Return whether samples are read from files when they are needed.

    Example:
        >>> is_lazy(np.zeros(3))
        False
    """
    return hasattr(x, "read") and hasattr(x, "shape")


def _refuse_channels_first(array: np.ndarray, *, what: str) -> None:
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        return
    if min(array.shape[2:]) >= _IMAGE_SIDE:
        raise ValueError(
            f"{what} has shape {array.shape}, which looks like channels first. "
            "Channels come last: use x.transpose(0, 2, 3, 1)."
        )


def check_finite(array: np.ndarray, *, what: str) -> None:
    """Refuse NaN and infinite values.

    Args:
        array: Any array.
        what: How messages call it.

    Raises:
        ValueError: with the number of such values and the first one.

    Example:
        >>> check_finite(np.array([1.0, np.nan]), what="train x")
        Traceback (most recent call last):
        ...
        ValueError: train x has 1 NaN or infinite values of 2; the first is nan at \
index (1,). Drop those rows or fill the gaps before training.
    """
    # Part by part: the mask of a whole array would take a quarter of its memory.
    if array.dtype.kind != "f" or all(
        np.isfinite(rows).all() for rows in row_chunks(array)
    ):
        return
    bad = ~np.isfinite(array)
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    raise ValueError(
        f"{what} has {int(bad.sum()):,} NaN or infinite values of {array.size:,}; "
        f"the first is {array[first]} at index {first}. "
        "Drop those rows or fill the gaps before training."
    )


def check_weights(
    weights: Any, *, samples: int | None, what: str, labels: tuple[int, ...] = ()
) -> Any:
    """Check sample weights.

    Args:
        weights: Numbers of shape (n,) or (n, 1), or one for each step or pixel of the
            labels, or None.
        samples: Number of samples that they belong to.
        what: How messages call them (``"train sample_weight"``).
        labels: Shape of the labels, where they have more axes.

    Returns:
        float32 array of shape (n,), or of as many axes as were given, or None.

    Raises:
        ValueError: on another length, negative or infinite weights, NaN, and
            weights that are all zero.

    Example:
        >>> check_weights([1, 2], samples=2, what="train sample_weight")
        array([1., 2.], dtype=float32)
    """
    if weights is None:
        return None
    array = as_array(weights, what=what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    fits_labels = array.ndim > 1 and array.shape == labels[: array.ndim]
    if not (array.ndim == 1 or fits_labels) or array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} has shape {array.shape} and dtype {array.dtype}. Accepted: one "
            "number for each sample, shape (n,), or for each step or pixel of labels "
            "that have them."
        )
    if samples is not None and len(array) != samples:
        raise ValueError(
            f"{what} has {len(array):,} weights for {samples:,} samples: give one "
            "weight for each sample."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    check_finite(array, what=what)
    if (array < 0).any():
        index = int((array < 0).argmax())
        raise ValueError(
            f"{what} has {int((array < 0).sum()):,} negative weights; the first is "
            f"{array.flat[index]:g} at index {index}. Weights are 0 or larger."
        )
    if not array.any():
        raise ValueError(
            f"{what} is 0 for every sample, so there is nothing to learn. Give at "
            "least one sample a weight above 0."
        )
    return array
