"""What labels and predictions must be, for the measures of every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasopt import checks

__all__ = [
    "array",
    "class_labels",
    "label_names",
    "label_rows",
    "label_shares",
    "probabilities",
    "same_number",
    "target_rows",
    "weights",
]

_SUM_TOLERANCE = 1e-3
# Rows of bfloat16 have two digits.
_ROUGH_SUM_TOLERANCE = 1e-2


def array(given: Any, name: str) -> np.ndarray:
    """Return an array of numbers; bfloat16, which NumPy lacks, becomes float32.

    Args:
        given: Anything that NumPy reads.
        name: What the argument is called, for the message.

    Raises:
        ValueError: if it holds anything but numbers.

    Example:
        >>> array([0.5, 1], "probabilities").dtype
        dtype('float64')
    """
    found = np.asarray(given)
    if found.dtype.name == "bfloat16":
        return found.astype(np.float32)
    if found.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be an array of numbers; given: type {found.dtype}."
        )
    return found


def probabilities(given: Any) -> tuple[np.ndarray, float]:
    """Return rows that sum to 1 as float64, and the epsilon of their type."""
    found = array(given, "probabilities")
    if found.ndim != 2 or found.shape[1] < 2:
        raise ValueError(
            f"probabilities must have the shape (n, k) with k >= 2 classes; given: "
            f"{found.shape}. For the single sigmoid output p of a two-class model "
            "pass np.stack([1 - p, p], axis=1)."
        )
    _check_some(found, "probabilities")
    rows = found.astype(np.float64)
    _check_finite(rows, "probabilities")
    rough = np.asarray(given).dtype.name == "bfloat16"
    tolerance = _ROUGH_SUM_TOLERANCE if rough else _SUM_TOLERANCE
    sums = rows.sum(axis=1)
    off = np.flatnonzero(
        (np.abs(sums - 1) > tolerance) | (rows.min(axis=1) < -_SUM_TOLERANCE)
    )
    if off.size:
        raise ValueError(
            f"Each row of probabilities must be 0 or more and sum to 1; row {off[0]} "
            f"sums to {sums[off[0]]:.6g} with the least value "
            f"{rows[off[0]].min():.6g} ({off.size} such rows). For logits pass "
            "scipy.special.softmax(logits, axis=1)."
        )
    return rows, _epsilon(found)


def label_shares(given: Any) -> tuple[np.ndarray, float]:
    """Return each label's probabilities as float64, and the epsilon of their type."""
    found = array(given, "probabilities")
    if found.ndim != 2:
        raise ValueError(
            "probabilities must have the shape (n, labels), one probability for each "
            f"label; given: {found.shape}."
        )
    _check_some(found, "probabilities")
    rows = found.astype(np.float64)
    _check_finite(rows, "probabilities")
    if rows.min() < -_SUM_TOLERANCE or rows.max() > 1 + _SUM_TOLERANCE:
        raise ValueError(
            "probabilities must lie in 0..1; given: values from "
            f"{rows.min():.6g} to {rows.max():.6g}. For logits pass "
            "scipy.special.expit(logits)."
        )
    return np.clip(rows, 0, 1), _epsilon(found)


def class_labels(
    given: Any, *, num_samples: int, num_classes: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the class of each sample and, for soft labels, their rows."""
    found = np.asarray(given)
    if found.dtype.kind not in "fiub":
        raise ValueError(
            f"y_true must hold class numbers 0..{num_classes - 1}; given: type "
            f"{found.dtype}. For names pass [class_names.index(name) for name in y]."
        )
    found = _one_column_is_none(found)
    if found.ndim not in (1, 2) or (found.ndim == 2 and found.shape[1] != num_classes):
        raise ValueError(
            f"y_true must have the shape (n,), (n, 1) or (n, {num_classes}); given: "
            f"{np.shape(given)}."
        )
    same_number(found, num_samples)
    if found.ndim == 1:
        return _in_range(found, num_classes), None
    rows = found.astype(np.float64)
    _check_label_rows(rows)
    soft = not np.isin(rows, (0, 1)).all()
    return rows.argmax(axis=1), rows if soft else None


def label_rows(given: Any, *, num_samples: int, num_labels: int) -> np.ndarray:
    """Return multilabel targets as 0 and 1, shape (n, labels)."""
    found = array(given, "y_true")
    if found.ndim == 1 and num_labels == 1:
        found = found[:, None]
    if found.ndim != 2 or found.shape[1] != num_labels:
        raise ValueError(
            f"y_true must have the shape (n, {num_labels}), 0 or 1 for each label; "
            f"given: {np.shape(given)}."
        )
    same_number(found, num_samples)
    if not np.isin(found, (0, 1)).all():
        other = found[~np.isin(found, (0, 1))][0].item()
        raise ValueError(
            f"y_true must hold 0 or 1 for each label; given: {other!r}. For soft "
            "labels pass y_true >= 0.5."
        )
    return found.astype(np.int64)


def target_rows(given: Any, name: str) -> np.ndarray:
    """Return the numbers of a regression as float64, shape (n, targets)."""
    found = array(given, name)
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise ValueError(
            f"{name} must have the shape (n,) or (n, targets); given: {found.shape}."
        )
    _check_some(found, name)
    rows = found.astype(np.float64)
    _check_finite(rows, name)
    return rows


def label_names(
    given: Sequence[str] | None, *, number: int, of: str = "probabilities"
) -> tuple[str, ...]:
    """Return one different name for each column; numbers are the default."""
    if given is None:
        return tuple(map(str, range(number)))
    found = checks.class_names(given)
    if len(found) != number:
        raise ValueError(
            f"class_names has {len(found)} names but {of} has {number} "
            "columns; give one name for each column, in their order."
        )
    return found


def weights(given: Any, *, num_samples: int) -> np.ndarray | None:
    """Return sample weights as float64, shape (n,), or None."""
    if given is None:
        return None
    found = _one_column_is_none(array(given, "sample_weight")).astype(np.float64)
    if found.shape != (num_samples,):
        raise ValueError(
            f"sample_weight must have the shape ({num_samples},), one weight for each "
            f"sample; given: {np.shape(given)}."
        )
    if not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise ValueError(
            "sample_weight must hold finite numbers of at least 0, not all of them 0; "
            f"given: values from {found.min():g} to {found.max():g}."
        )
    return found


def same_number(
    labels: np.ndarray, num_samples: int, of: str = "probabilities"
) -> None:
    """Raise `ValueError` if labels and predictions differ in number."""
    if len(labels) != num_samples:
        raise ValueError(
            f"y_true has {len(labels)} samples but {of} has {num_samples}; "
            "both must be of the same samples in the same order. Predict without "
            "dropping the last batch."
        )


def _epsilon(found: np.ndarray) -> float:
    floating = found.dtype.kind == "f"
    return float(np.finfo(found.dtype if floating else np.float64).eps)


def _one_column_is_none(found: np.ndarray) -> np.ndarray:
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


def _check_some(found: np.ndarray, name: str) -> None:
    if not len(found):
        raise ValueError(f"{name} has no rows; at least one sample is needed.")


def _check_finite(rows: np.ndarray, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if not bad.size:
        return
    cause = (
        "Drop these samples or fill in the missing targets."
        if name == "y_true"
        else "The model diverged or its input had NaN: check the data, or lower the "
        "learning rate."
    )
    raise ValueError(
        f"{name} has NaN or infinite values in {bad.size} of {len(rows)} rows, the "
        f"first in row {bad[0]}. {cause}"
    )


def _check_label_rows(rows: np.ndarray) -> None:
    off = np.abs(rows.sum(axis=1) - 1) > _ROUGH_SUM_TOLERANCE
    # Negated, so that NaN is refused too.
    bad = np.flatnonzero(~((rows >= 0).all(axis=1) & ~off))
    if bad.size:
        raise ValueError(
            "Rows of y_true must be one-hot, or soft labels of at least 0 that sum to "
            f"1; given: {rows[bad[0]].tolist()} in row {bad[0]}. For several labels a "
            "sample, use the task 'multilabel'."
        )


def _in_range(found: np.ndarray, num_classes: int) -> np.ndarray:
    ok = (found >= 0) & (found < num_classes)
    if found.dtype.kind == "f":
        ok &= found == np.floor(found)
    if not ok.all():
        first = int(np.flatnonzero(~ok)[0])
        raise ValueError(
            f"y_true must hold whole numbers 0..{num_classes - 1}, one for each column "
            f"of probabilities; given: {found[first].item()!r} in row {first}."
        )
    return found.astype(np.int64)
