"""Checks on arrays of features and labels: fail early, and say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "Pair",
    "as_array",
    "as_pair",
    "check_features",
    "check_labels",
    "count_classes",
]

Pair = tuple[np.ndarray, np.ndarray]

# A row of soft labels (label smoothing, mixup) sums to 1 up to float16 rounding.
_LABEL_SUM_TOLERANCE = 1e-2


def as_array(values: Any, *, what: str) -> np.ndarray:
    """Turn anything array-like into an array; rows of unlike shapes are refused.

    Args:
        values: A list, array, tensor or data frame.
        what: How messages call it (``"train x"``).

    Returns:
        The array, which may share memory with `values`.

    Raises:
        ValueError: if NumPy can't make one array of it.

    Example:
        >>> as_array([[1, 2], [3, 4]], what="train x").shape
        (2, 2)
    """
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{what} can't be made into one array ({error}). "
            "Give rows that all have the same shape."
        ) from error


def as_pair(pair: Any, *, what: str) -> tuple[Any, Any]:
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
        size = f" of {len(pair)}" if isinstance(pair, (tuple, list)) else ""
        raise ValueError(
            f"{what} must be a pair (x, y) of arrays; "
            f"given: a {type(pair).__name__}{size}."
        )
    return pair[0], pair[1]


def check_features(x: Any, *, what: str) -> np.ndarray:
    """Check the features of one split.

    Images are ``(n, height, width, channels)``; of ``(n, height, width)`` it
    is understood that the channel axis is missing, and it is added. Vectors
    are ``(n, features)``.

    Args:
        x: The features, numbers.
        what: How messages call them (``"train x"``).

    Returns:
        An array of rank 2 or 4.

    Raises:
        ValueError: on no rows, a wrong rank, values that aren't numbers, NaN
            and infinity, and channels that come first.

    Example:
        >>> import numpy as np
        >>> check_features(np.zeros((5, 28, 28)), what="train x").shape
        (5, 28, 28, 1)
    """
    array = as_array(x, what=what)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must hold numbers; given: dtype {array.dtype}. "
            "Encode text and categories as numbers first."
        )
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            f"{what} has shape {array.shape}. Accepted: images (n, height, width, "
            "channels) or (n, height, width), vectors (n, features)."
        )
    if 0 in array.shape:
        raise ValueError(
            f"{what} is empty: its shape is {array.shape}. "
            "Give at least one sample, or None for a split that you don't have."
        )
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] > 4:
        raise ValueError(
            f"{what} has shape {array.shape}, which looks like channels first. "
            "Channels come last: use x.transpose(0, 2, 3, 1)."
        )
    _check_finite(array, what=what)
    return array


def _check_finite(array: np.ndarray, *, what: str) -> None:
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    raise ValueError(
        f"{what} has {int(bad.sum()):,} NaN or infinite values of {array.size:,}; "
        f"the first is {array[first]} at index {first}. "
        "Drop those rows or fill the gaps before training."
    )


def check_labels(y: Any, *, what: str, num_classes: int) -> np.ndarray:
    """Check the labels of one split.

    Args:
        y: Integers ``(n,)`` or ``(n, 1)`` in ``0..num_classes - 1``, or
            one-hot or soft labels ``(n, num_classes)``, the rows of which sum
            to 1.
        what: How messages call them (``"train y"``).
        num_classes: Number of classes.

    Returns:
        int64 of rank 1, or float32 of rank 2.

    Raises:
        ValueError: on another shape or type, or a label out of range.

    Example:
        >>> check_labels([[0], [2]], what="train y", num_classes=3)
        array([0, 2])
    """
    array = as_array(y, what=what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        return _check_one_hot(array, what=what, num_classes=num_classes)
    if array.ndim != 1 or array.dtype.kind not in "bui":
        raise ValueError(
            f"{what} has shape {array.shape} and dtype {array.dtype}. Accepted: "
            "integer labels (n,), or one-hot labels (n, num_classes). Whole "
            "numbers stored as floats: y.astype('int64'); names of classes: "
            "kerasopt.data.from_arrays maps them."
        )
    bad = (array < 0) | (array >= num_classes)
    if bad.any():
        index = int(bad.argmax())
        raise ValueError(
            f"{what} has {int(bad.sum()):,} labels outside 0..{num_classes - 1}; "
            f"the first is {array[index]} at index {index}. Labels count from 0: "
            "subtract 1 from labels that count from 1, or raise num_classes "
            f"(given: {num_classes})."
        )
    return array.astype(np.int64)


def _check_one_hot(array: np.ndarray, *, what: str, num_classes: int) -> np.ndarray:
    if array.shape[1] != num_classes:
        raise ValueError(
            f"{what} has shape {array.shape}, but there are {num_classes} classes. "
            f"One-hot labels have the shape (n, {num_classes})."
        )
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must hold numbers; given: dtype {array.dtype}. "
            "Accepted: integer labels (n,), or one-hot labels (n, num_classes)."
        )
    array = array.astype(np.float32)
    _check_finite(array, what=what)
    sums = array.sum(axis=1)
    bad = (np.abs(sums - 1) > _LABEL_SUM_TOLERANCE) | (array < 0).any(axis=1)
    if bad.any():
        index = int(bad.argmax())
        raise ValueError(
            f"{what} has {int(bad.sum()):,} rows that aren't shares of one: row "
            f"{index} sums to {sums[index]:g}. One-hot and soft labels are not "
            "negative and each row sums to 1."
        )
    return array


def count_classes(labels: Sequence[Any], *, class_names: Sequence[str]) -> int:
    """Find the number of classes that the names, or else the labels, imply.

    Args:
        labels: The labels of each split, training first.
        class_names: One name a class, or empty.

    Returns:
        The number of classes.

    Raises:
        ValueError: if integer labels leave gaps, so that their number isn't
            certain.

    Example:
        >>> count_classes([[0, 1, 2, 1]], class_names=())
        3
    """
    if class_names:
        return len(class_names)
    arrays = [as_array(y, what="y") for y in labels]
    if arrays[0].ndim == 2 and arrays[0].shape[1] > 1:
        return int(arrays[0].shape[1])
    # check_labels has the words for labels that aren't whole numbers.
    whole = [a.ravel() for a in arrays if a.dtype.kind in "bui" and a.size]
    if not whole:
        return 2
    present = np.unique(np.concatenate(whole)).astype(np.int64)
    count = int(present[-1]) + 1
    if present[0] >= 0 and len(present) < count:
        missing = int(np.flatnonzero(present != np.arange(len(present)))[0])
        raise ValueError(
            f"The labels run from {present[0]} to {present[-1]}, but no sample has "
            f"the label {missing}. Labels count from 0 without gaps; if a class is "
            f"meant to be empty, say num_classes={count}."
        )
    return max(count, 2)
