"""Samples that are in two splits or classes: test data as validation data, copies."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.data.checks import as_array, as_pair, is_lazy
from kerasopt.data.row_digests import row_digests
from kerasopt.data.structure import leaves

__all__ = [
    "check_validation",
    "overlap",
    "rows_in_both",
    "warn_of_test_rows",
    "warn_of_two_labels",
]

_MOST_BYTES = 2 * 2**30
"""Larger splits aren't compared: that would take seconds each time."""

_SHOWN = 5
"""Files, or pairs of them, that a warning names."""

_FEW_ROWS = 16
"""Data with fewer distinct rows (truth tables) share rows by nature."""


def overlap(a: Any, b: Any) -> float:
    """Measure how much of `a` is also in `b`, row by row.

    Rows of two dtypes are compared in the less precise of the two.

    Args:
        a: Array ``(n, ...)``.
        b: Array ``(m, ...)``.

    Returns:
        Share, from 0 to 1, of the rows of `a` that occur in `b`. Rows of
        another shape never match.

    Example:
        >>> import numpy as np
        >>> overlap(np.arange(4), np.array([0, 1, 9]))
        0.5
    """
    first, second = as_array(a, what="a"), as_array(b, what="b")
    if not first.ndim or not second.ndim:
        raise ValueError("overlap compares rows; given: a single number.")
    if first.shape[1:] != second.shape[1:] or not len(first):
        return 0.0
    return float(np.isin(*_digests(first, second)).mean())


def rows_in_both(test: Any, train: Any) -> np.ndarray | None:
    """Find the test samples that are also training samples.

    Args:
        test: Samples of the test split: an array, or a dict or tuple of arrays.
        train: Samples of the training split.

    Returns:
        Their positions in the test split, or None if the splits weren't compared: more
        than 2 GiB of arrays.

    Example:
        >>> import numpy as np
        >>> rows_in_both(np.array([[1], [2], [3]]), np.array([[2], [2], [4]]))
        array([1])
    """
    mine = [array for _, array in leaves(test)]
    theirs = [array for _, array in leaves(train)]
    if sum(_bytes(array) for array in mine + theirs) > _MOST_BYTES:
        return None
    return np.flatnonzero(_found(test, train))


def warn_of_test_rows(found: np.ndarray, total: int, paths: Any = None) -> None:
    """Warn that test samples are also training samples.

    Args:
        found: Their positions in the test split.
        total: Number of test samples.
        paths: File of each test sample, if they were read from files.

    Example:
        >>> warn_of_test_rows(np.array([], int), 10)
    """
    if not len(found):
        return
    files = "" if paths is None else f" ({_some(paths[i] for i in found)})"
    warnings.warn(
        f"{len(found):,} of {total:,} test samples are also training samples{files}. "
        "If they are copies, the test score is too good: remove them from one of the "
        "two. Data with few possible rows repeat them by nature.",
        UserWarning,
        stacklevel=2,
    )


def warn_of_two_labels(splits: Iterable[tuple[Sequence[Path], Any, Any]]) -> None:
    """Warn of files with equal pixels in two classes, whichever splits they are in.

    Args:
        splits: Of each the paths, the labels ``(n,)`` and the samples ``(n, ...)``.

    Example:
        >>> import numpy as np
        >>> warn_of_two_labels([([Path("a"), Path("b")], np.array([0, 1]), np.eye(2))])
    """
    first: dict[int, tuple[Path, int]] = {}
    found = []
    for paths, labels, x in splits:
        digests = x.digests if is_lazy(x) else row_digests(x)
        rows = zip(paths, labels.tolist(), digests.tolist(), strict=True)
        for path, label, digest in rows:
            other, known = first.setdefault(digest, (path, label))
            if known != label:
                found.append(f"{other} and {path}")
    if not found:
        return
    warnings.warn(
        f"The same pixels are in two classes: {_some(found)}. One of the two labels is "
        "wrong.",
        UserWarning,
        stacklevel=3,
    )


def _some(given: Iterable[Any]) -> str:
    """Name the first ones of many, and how many more there are."""
    all_of_them = [str(each) for each in given]
    more = len(all_of_them) - _SHOWN
    shown = "; ".join(all_of_them[:_SHOWN])
    return f"{shown}, and {more:,} more" if more > 0 else shown


def check_validation(
    validation: Any,
    test: Any,
    allow_test_as_validation: bool = False,
    *,
    train: Any = None,
) -> bool:
    """Refuse test data in the role of validation data.

    Whatever is chosen by looking at the test set (epochs, learning rates,
    models) makes its score too good. Validation data count as test data if more
    than half of their rows are rows of the test set. Data with few distinct rows
    (truth tables, say) share rows by nature; of those only the same rows in the
    same numbers count, and rows that the training data lack.

    Args:
        validation: Pair ``(x, y)``, or None.
        test: Pair ``(x, y)``, or None.
        allow_test_as_validation: Accept it nevertheless.
        train: Pair ``(x, y)``, or None.

    Returns:
        True if the validation data are test data (and that was allowed).

    Raises:
        ValueError: if they are and it wasn't allowed.

    Example:
        >>> import numpy as np
        >>> test = (np.arange(10.0).reshape(5, 2), np.array([0, 1, 0, 1, 0]))
        >>> check_validation(test, test, allow_test_as_validation=True)
        True
    """
    if validation is None or test is None:
        return False
    share = _shared(
        as_pair(validation, what="validation")[0],
        as_pair(test, what="test")[0],
        None if train is None else as_pair(train, what="train")[0],
    )
    if not share:
        return False
    if allow_test_as_validation:
        return True
    raise ValueError(
        f"The validation data are test data: {share:.0%} of their rows occur in the "
        "test set, so that what is selected on them makes the test score too good. "
        "Cut the validation data from the training data instead (validation=0.1), "
        "or pass allow_test_as_validation=True, and the report will say so."
    )


def _shared(validation: Any, test: Any, train: Any) -> float:
    """Return the share of validation rows in the test set, 0 if that is no evidence."""
    mine, theirs = (
        [x if is_lazy(x) else as_array(x, what=name) for name, x in leaves(samples)]
        for samples in (validation, test)
    )
    if [a.shape[1:] for a in mine] != [a.shape[1:] for a in theirs]:
        return 0.0
    pairs = [_digests(a, b) for a, b in zip(mine, theirs, strict=True)]
    rows, test_rows = (_combined(list(side)) for side in zip(*pairs, strict=True))
    share = float(np.isin(rows, test_rows).mean())
    if share <= 0.5:
        return 0.0
    distinct = len(np.unique(test_rows))
    # Samples that stand two or three times each are no truth table.
    varied = distinct > len(test_rows) / 2 or (
        distinct > _FEW_ROWS and distinct > len(test_rows) / 8
    )
    same = np.array_equal(np.sort(rows), np.sort(test_rows))
    if varied or same:
        return share
    return share if _in_test_alone(validation, test, train) > 0.5 else 0.0


def _in_test_alone(validation: Any, test: Any, train: Any) -> float:
    """Return the share of validation rows that test has and train lacks."""
    if train is None:
        return 0.0
    in_test, in_train = _found(validation, test), _found(validation, train)
    return float((in_test & ~in_train).mean())


def _found(samples: Any, others: Any) -> np.ndarray:
    """Return for each sample whether it is among others."""
    pairs = [
        _digests(*(a if is_lazy(a) else as_array(a, what="x") for a in arrays))
        for arrays in zip(
            (a for _, a in leaves(samples)), (b for _, b in leaves(others)), strict=True
        )
    ]
    # A sample is the same if all of its inputs are, together.
    mine, theirs = (_combined(list(side)) for side in zip(*pairs, strict=True))
    return np.isin(mine, theirs)


def _digests(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows' digests of two arrays in one common dtype."""
    if is_lazy(first) or is_lazy(second):
        return _own_digests(first), _own_digests(second)
    if first.dtype != second.dtype:
        dtype = _coarser(first.dtype, second.dtype)
        with np.errstate(over="ignore"):
            first, second = first.astype(dtype), second.astype(dtype)
    return row_digests(first), row_digests(second)


def _own_digests(x: Any) -> np.ndarray:
    return x.digests if is_lazy(x) else row_digests(x.astype(np.uint8, copy=False))


def _bytes(x: Any) -> int:
    """Return the bytes to be read; image files have their digests already."""
    return 0 if is_lazy(x) else x.nbytes


def _coarser(first: np.dtype, second: np.dtype) -> np.dtype:
    """Return the dtype in which copies of the same values are equal."""
    floats = [dtype for dtype in (first, second) if dtype.kind == "f"]
    if floats:
        return min(floats, key=lambda dtype: dtype.itemsize)
    return np.result_type(first, second)


def _combined(digests: list[np.ndarray]) -> np.ndarray:
    return row_digests(np.stack(digests, axis=1)) if len(digests) > 1 else digests[0]
