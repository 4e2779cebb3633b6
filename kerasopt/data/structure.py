"""Samples of several inputs or outputs: a dict or a tuple of arrays.

Keras takes one array, or a dict or a tuple with one array for each input. These
helpers treat all three alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "count",
    "first_leaf",
    "is_nested",
    "leaves",
    "lists_as_tuples",
    "map_leaves",
    "take",
]


def is_nested(values: Any) -> bool:
    """Return whether values are a dict or a tuple, one array for each input.

    Example:
        >>> is_nested({"a": [1, 2]}), is_nested([1, 2])
        (True, False)
    """
    return isinstance(values, (dict, tuple))


def lists_as_tuples(x: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and labels, lists with an array for each input as tuples.

    Keras's ``fit([a, b], y)`` has two inputs, and ``fit([a], y)`` one. A list of
    samples, an array each, stays a list: it is as long as there are labels.

    Args:
        x: Samples.
        y: Labels, or None: then arrays of several shapes are several inputs.

    Example:
        >>> import numpy as np
        >>> a, b, labels = np.zeros((5, 2)), np.zeros((5, 2)), np.zeros(5)
        >>> [type(part).__name__ for part in lists_as_tuples([a, b], labels)]
        ['tuple', 'ndarray']
        >>> [type(part).__name__ for part in lists_as_tuples(list(a), labels)]
        ['list', 'ndarray']
    """
    return _as_tuple(x, y), _as_tuple(y, x)


def _as_tuple(values: Any, others: Any) -> Any:
    if not _is_list_of_arrays(values):
        return values
    shapes = {tuple(part.shape) for part in values}
    if others is None:
        is_several = len(shapes) > 1
    else:
        samples = _num_samples(others)
        is_several = len(values) != samples and samples in {s[0] for s in shapes}
    if not is_several:
        return values
    return tuple(values) if len(values) > 1 else values[0]


def _is_list_of_arrays(values: Any) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(getattr(part, "shape", ()) for part in values)
    )


def _num_samples(values: Any) -> int | None:
    if _is_list_of_arrays(values) and values[0].shape[0] > len(values):
        return int(values[0].shape[0])
    sizes = [len(each) for _, each in leaves(values) if hasattr(each, "__len__")]
    return sizes[0] if sizes else None


def leaves(values: Any, *, what: str = "x") -> list[tuple[str, Any]]:
    """Return each array with its name in messages.

    Args:
        values: An array, or a dict or tuple of arrays. None has no arrays.
        what: How messages call the whole (``"train x"``).

    Example:
        >>> leaves({"age": 1, "photo": 2}, what="train x")
        [("train x['age']", 1), ("train x['photo']", 2)]
        >>> leaves(1, what="train x")
        [('train x', 1)]
    """
    if values is None:
        return []
    if isinstance(values, dict):
        return [(f"{what}[{key!r}]", value) for key, value in values.items()]
    if isinstance(values, tuple):
        return [(f"{what}[{index}]", value) for index, value in enumerate(values)]
    return [(what, values)]


def map_leaves(function: Callable[..., Any], values: Any, *others: Any) -> Any:
    """Call a function on each array and keep the structure.

    Args:
        function: Takes an array, and the matching array of each of `others`.
        values: An array, or a dict or tuple of arrays. None stays None.
        others: More values of the same structure.

    Example:
        >>> map_leaves(lambda a, b: a + b, {"u": 1, "v": 2}, {"u": 10, "v": 20})
        {'u': 11, 'v': 22}
    """
    if values is None:
        return None
    if isinstance(values, dict):
        return {
            key: function(value, *(other[key] for other in others))
            for key, value in values.items()
        }
    if isinstance(values, tuple):
        return tuple(function(*parts) for parts in zip(values, *others, strict=True))
    return function(values, *others)


def first_leaf(values: Any) -> Any:
    """Return the first array of a dict or tuple, or the array itself.

    Example:
        >>> first_leaf(({"only": 1})), first_leaf((1, 2)), first_leaf(3)
        (1, 1, 3)
    """
    return leaves(values)[0][1]


def take(values: Any, rows: Any) -> Any:
    """Return the same rows of each array.

    Args:
        values: An array, or a dict or tuple of arrays.
        rows: A slice, an array of indices or a mask.

    Example:
        >>> import numpy as np
        >>> take({"a": np.arange(5)}, [0, 4])
        {'a': array([0, 4])}
    """

    def rows_of(array: Any) -> Any:
        # Image files stay files: indexing would decode them.
        return array.select(rows) if hasattr(array, "select") else array[rows]

    return map_leaves(rows_of, values)


def count(split: Any) -> int | None:
    """Return the number of samples of a split.

    Args:
        split: A pair ``(x, y)``, a `Stream`, or None.

    Returns:
        The number; 0 for None, and None for a stream that doesn't know it.

    Raises:
        TypeError: if it is none of these.

    Example:
        >>> import numpy as np
        >>> count((np.zeros((5, 2)), np.zeros(5))), count(None)
        (5, 0)
    """
    if split is None:
        return 0
    if isinstance(split, tuple):
        return len(first_leaf(split[0]))
    if not hasattr(split, "samples"):
        raise TypeError(
            "A split must be a pair (x, y), a Stream or None; given: a "
            f"{type(split).__name__}."
        )
    return split.samples
