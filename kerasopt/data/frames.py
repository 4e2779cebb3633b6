"""Data frames: their columns become numbers one by one, or are named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "by_name",
    "column_names",
    "is_frame",
    "is_series",
    "labels_to_array",
    "target_names",
    "targets_by_name",
    "to_array",
]

_SHOWN = 10


def is_frame(values: Any) -> bool:
    """Return whether values are a pandas data frame.

    Example:
        >>> is_frame([1, 2])
        False
    """
    # A frame can only exist if pandas was imported; importing it takes half a second.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.DataFrame)


def is_series(values: Any) -> bool:
    """Return whether values are a pandas series.

    Example:
        >>> is_series([1, 2])
        False
    """
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.Series)


def column_names(x: Any) -> tuple[str, ...]:
    """Return the names of a frame's columns, where each is another; else none.

    Example:
        >>> import pandas as pd
        >>> column_names(pd.DataFrame({"age": [30], "height": [1.7]}))
        ('age', 'height')
    """
    names = tuple(map(str, x.columns)) if is_frame(x) else ()
    return names if len(set(names)) == len(names) else ()


def by_name(x: Any, names: Sequence[str], *, what: str) -> Any:
    """Return a frame with its columns in the order of the training's; others as is.

    Args:
        x: Samples.
        names: The columns of the training; none where they aren't known.
        what: How messages call the samples (``"x"``).

    Raises:
        ValueError: if it has other columns.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"height": [1.7], "age": [30]})
        >>> list(by_name(frame, ["age", "height"], what="x"))
        ['age', 'height']
    """
    if not is_frame(x) or not names:
        return x
    given = list(map(str, x.columns))
    missing = [name for name in names if name not in given]
    more = [name for name in given if name not in names]
    if missing or more or len(given) != len(names):
        raise ValueError(
            f"{what} must have the columns of the training, {_listed(list(names))}; "
            f"missing: {_listed(missing) or 'none'}; not of the training: "
            f"{_listed(more) or 'none'}."
        )
    return x.iloc[:, [given.index(name) for name in names]]


def to_array(frame: Any, *, what: str) -> np.ndarray:
    """Return a frame as an array, column by column.

    Args:
        frame: The frame. Its columns hold numbers or bools, also nullable ones and
            Python objects.
        what: How messages call it (``"train x"``).

    Returns:
        An integer array if all columns are integers, else float32.

    Raises:
        ValueError: with the names of columns that hold no numbers, or gaps.

    Example:
        >>> import pandas as pd
        >>> to_array(pd.DataFrame({"a": [1.5], "b": [True]}), what="train x")
        array([[1.5, 1. ]], dtype=float32)
    """
    columns = [_to_numbers(frame.iloc[:, i]) for i in range(frame.shape[1])]
    names = [str(name) for name in frame.columns]
    text = [
        f"{name!r} ({frame.dtypes.iloc[i]})"
        for i, name in enumerate(names)
        if columns[i] is None
    ]
    if text:
        raise ValueError(
            f"{what}: the columns {_listed(text)} don't hold numbers. Encode them "
            "(pandas.get_dummies for categories, parts of dates as numbers) or drop "
            "them."
        )
    gaps = [
        f"{name!r} ({int(np.isnan(column).sum()):,})"
        for name, column in zip(names, columns, strict=True)
        if column is not None and column.dtype.kind == "f" and np.isnan(column).any()
    ]
    if gaps:
        raise ValueError(
            f"{what} has NaN or missing values in the columns {_listed(gaps)}. Fill "
            "them (frame.fillna) or drop those rows."
        )
    arrays = [column for column in columns if column is not None]
    whole = bool(arrays) and all(column.dtype.kind in "ui" for column in arrays)
    dtype: Any = np.result_type(*arrays) if whole else np.float32
    with np.errstate(over="ignore"):
        table = np.empty(frame.shape, dtype)
        for index, column in enumerate(arrays):
            table[:, index] = column
    return table


def _to_numbers(column: Any) -> np.ndarray | None:
    """Return a column as numbers, gaps as NaN, or None if it holds something else."""
    import pandas as pd

    kinds = pd.api.types
    if kinds.is_bool_dtype(column.dtype) or kinds.is_numeric_dtype(column.dtype):
        if column.isna().any():
            return column.to_numpy(dtype="float64", na_value=np.nan)
        array = column.to_numpy()
        if array.dtype == object:
            array = column.astype(column.dtype.numpy_dtype).to_numpy()
        return None if array.dtype.kind not in "uifb" else array
    if column.dtype == object:
        numbers = [isinstance(v, (int, float, np.number, np.bool_)) for v in column]
        if all(numbers | column.isna().to_numpy()):
            return np.asarray(
                column.infer_objects().to_numpy(dtype="float64", na_value=np.nan)
            )
    return None


def labels_to_array(values: Any, *, what: str) -> np.ndarray:
    """Return a series or frame of labels as an array.

    Args:
        values: The labels. A frame of one column is taken as a series.
        what: How messages call them (``"train y"``).

    Returns:
        Numbers, or objects where the labels are names.

    Example:
        >>> import pandas as pd
        >>> labels_to_array(pd.Series([1, 0], dtype="Int64"), what="train y")
        array([1, 0])
    """
    if is_frame(values):
        if values.shape[1] != 1:
            return to_array(values, what=what)
        values = values.iloc[:, 0]
    numbers = _to_numbers(values)
    if numbers is None or values.dtype == object:
        return np.asarray(values)
    return numbers


def target_names(y: Any) -> tuple[str, ...]:
    """Return the names of the columns of several labels or targets.

    Example:
        >>> import pandas as pd
        >>> target_names(pd.DataFrame({"price": [1.0], "rooms": [2.0]}))
        ('price', 'rooms')
    """
    if is_frame(y) and y.shape[1] > 1:
        return tuple(map(str, y.columns))
    return ()


def targets_by_name(y: Any, names: Sequence[str]) -> Any:
    """Return a frame of targets in the order of their names; others as they are.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"rooms": [2.0], "price": [1.0]})
        >>> list(targets_by_name(frame, ["price", "rooms"]))
        ['price', 'rooms']
    """
    # The training's targets may have names that aren't those of columns.
    known = set(target_names(y)) == set(names)
    return by_name(y, names, what="y") if known else y


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
