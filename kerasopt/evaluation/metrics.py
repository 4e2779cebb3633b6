"""Classification metrics from labels and predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Classification", "classification", "wilson"]

_SUM_TOLERANCE = 1e-3


def wilson(
    successes: int, count: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    r"""Return the Wilson score interval of a share.

    With the share p = successes / count and the normal quantile z,

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

    Unlike the textbook p ± z·s it stays within 0..1 and keeps its coverage for
    a share near 1, where good classifiers live.

    Args:
        successes: Number of hits, 0..count.
        count: Number of trials, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> low, high = wilson(90, 100)
        >>> round(low, 4), round(high, 4)
        (0.8256, 0.9448)

    References:
        E. B. Wilson, Probable inference, the law of succession, and statistical
        inference, Journal of the American Statistical Association 22, 1927.
    """
    _check_confidence(confidence)
    if not 0 <= successes <= count or count < 1:
        raise ValueError(
            f"The interval needs 0 <= successes <= count and count >= 1; given: "
            f"{successes} successes of {count}."
        )
    from scipy.stats import binomtest

    test = binomtest(int(successes), int(count))
    ends = test.proportion_ci(confidence_level=confidence, method="wilson")
    return float(ends.low), float(ends.high)


@dataclass(frozen=True, eq=False, repr=False)
class Classification:
    """Predictions on labelled samples and the numbers that follow from them.

    Made by `classification`, which checks its input.

    Attributes:
        labels: The true class of each sample, int, shape (n,).
        probabilities: One row a sample that sums to 1, float64, shape (n, k).
        class_names: The k names.
        confidence: Coverage of `interval`.
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon] in the loss.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    confidence: float = 0.95
    epsilon: float = float(np.finfo(np.float64).eps)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"Classification(accuracy={self.accuracy:.4f} "
            f"[{low:.4f}, {high:.4f}], loss={self.loss:.4f}, "
            f"samples={len(self)}, classes={len(self.class_names)})"
        )

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each sample, int, shape (n,)."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def confidence_of_prediction(self) -> np.ndarray:
        """The probability of the predicted class, shape (n,)."""
        return self.probabilities.max(axis=1)

    @cached_property
    def losses(self) -> np.ndarray:
        """The cross-entropy of each sample, -ln p(true class), shape (n,)."""
        own = self.probabilities[np.arange(len(self)), self.labels]
        return -np.log(np.clip(own, self.epsilon, 1 - self.epsilon))

    @cached_property
    def accuracy(self) -> float:
        """The share of samples whose most probable class is the true one."""
        return float(np.mean(self.predicted == self.labels))

    @cached_property
    def loss(self) -> float:
        """The mean cross-entropy in nats (natural logarithm)."""
        return float(self.losses.mean())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The Wilson score interval of the accuracy, (low, high)."""
        hits = int(np.sum(self.predicted == self.labels))
        return wilson(hits, len(self), confidence=self.confidence)

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """Counts with the true class down and the predicted class across."""
        from sklearn.metrics import confusion_matrix

        names = list(self.class_names)
        counts = confusion_matrix(self.labels, self.predicted, labels=range(len(names)))
        return pd.DataFrame(
            counts,
            index=pd.Index(names, name="true"),
            columns=pd.Index(names, name="predicted"),
        )

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, F1 (each 0 where undefined) and support by class."""
        from sklearn.metrics import precision_recall_fscore_support

        names = list(self.class_names)
        columns = precision_recall_fscore_support(
            self.labels, self.predicted, labels=range(len(names)), zero_division=0
        )
        return pd.DataFrame(
            dict(zip(("precision", "recall", "f1", "support"), columns, strict=True)),
            index=pd.Index(names, name="class"),
        )

    def worst_mistakes(self, count: int = 24) -> np.ndarray:
        """Return the wrongly classified samples with the highest loss.

        Args:
            count: How many at most.

        Returns:
            Their positions, worst first; fewer than `count` if there are fewer
            mistakes.

        Raises:
            ValueError: if `count` is negative.
        """
        if count < 0:
            raise ValueError(f"count must be 0 or more; given: {count!r}.")
        wrong = np.flatnonzero(self.predicted != self.labels)
        # A stable sort keeps ties in the order of the data set, so that two
        # reports of one run show the same images.
        order = np.argsort(-self.losses[wrong], kind="stable")
        return wrong[order[:count]]

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers and the per-class table for a JSON file."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "confidence": self.confidence,
            "loss": self.loss,
            "samples": len(self),
            "per_class": self.per_class.reset_index().to_dict(orient="records"),
            "confusion": self.confusion.to_numpy().tolist(),
        }


def classification(
    y_true: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Classification:
    """Measure predicted probabilities against the true classes.

    The loss is the mean of -ln p(true class), with p clipped to
    [eps, 1 - eps] at the machine epsilon of the given type.

    Args:
        y_true: True classes: integers of shape (n,) or (n, 1), or one-hot rows of
            shape (n, k).
        probabilities: Predicted probabilities, shape (n, k), k >= 2, each row
            summing to 1 within 0.001.
        class_names: The k different names; the default is "0", "1", ...
        confidence: Coverage of the accuracy's interval, between 0 and 1.

    Returns:
        A `Classification` with accuracy, loss, interval, confusion matrix,
        per-class table and worst mistakes.

    Raises:
        ValueError: if shapes don't fit together, probabilities aren't such, or
            labels are out of range.

    Example:
        >>> result = classification([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
        >>> round(result.accuracy, 3), round(result.loss, 3)
        (0.667, 0.511)
        >>> result.worst_mistakes().tolist()
        [2]
    """
    _check_confidence(confidence)
    rows, epsilon = _checked_probabilities(probabilities)
    labels = _checked_labels(y_true, num_samples=len(rows), num_classes=rows.shape[1])
    names = _checked_names(class_names, num_classes=rows.shape[1])
    return Classification(labels, rows, names, float(confidence), epsilon)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence must be between 0 and 1, such as 0.95; given: {confidence!r}."
        )


def _checked_probabilities(given: Any) -> tuple[np.ndarray, float]:
    """Return the rows as float64 and the epsilon of their original type."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"probabilities must be an array of numbers; given: type {array.dtype}."
        )
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(
            f"probabilities must have the shape (n, k) with k >= 2 classes; given: "
            f"{array.shape}. For the single sigmoid output p of a two-class model "
            "pass np.stack([1 - p, p], axis=1)."
        )
    if len(array) == 0:
        raise ValueError("probabilities has no rows; at least one sample is needed.")
    floating = array.dtype.kind == "f"
    epsilon = float(np.finfo(array.dtype if floating else np.float64).eps)
    rows = array.astype(np.float64)
    _check_rows(rows)
    return rows, epsilon


def _check_rows(rows: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise ValueError(
            f"probabilities has NaN or infinite values in {bad.size} of {len(rows)} "
            f"rows, the first in row {bad[0]}. The model diverged or its input had "
            "NaN: check the data, or lower the learning rate."
        )
    sums = rows.sum(axis=1)
    off = np.flatnonzero(
        (np.abs(sums - 1) > _SUM_TOLERANCE) | (rows.min(axis=1) < -_SUM_TOLERANCE)
    )
    if off.size:
        raise ValueError(
            f"Each row of probabilities must be 0 or more and sum to 1; row {off[0]} "
            f"sums to {sums[off[0]]:.6g} with the least value "
            f"{rows[off[0]].min():.6g} ({off.size} such rows). For logits pass "
            "scipy.special.softmax(logits, axis=1)."
        )


def _checked_labels(given: Any, *, num_samples: int, num_classes: int) -> np.ndarray:
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"y_true must hold class numbers 0..{num_classes - 1}; given: type "
            f"{array.dtype}. For names pass [class_names.index(name) for name in y]."
        )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != num_classes):
        raise ValueError(
            f"y_true must have the shape (n,), (n, 1) or (n, {num_classes}); given: "
            f"{array.shape}."
        )
    if len(array) != num_samples:
        raise ValueError(
            f"y_true has {len(array)} samples but probabilities has {num_samples}; "
            "both must be of the same samples in the same order. Predict without "
            "dropping the last batch."
        )
    return _from_one_hot(array) if array.ndim == 2 else _in_range(array, num_classes)


def _from_one_hot(array: np.ndarray) -> np.ndarray:
    if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
        raise ValueError(
            "y_true of shape (n, k) must be one-hot: a single 1 in each row and 0 "
            "elsewhere. For soft labels pass y_true.argmax(axis=1)."
        )
    return array.argmax(axis=1)


def _in_range(array: np.ndarray, num_classes: int) -> np.ndarray:
    ok = (array >= 0) & (array < num_classes)
    if array.dtype.kind == "f":
        ok &= array == np.floor(array)
    if not ok.all():
        first = int(np.flatnonzero(~ok)[0])
        raise ValueError(
            f"y_true must hold whole numbers 0..{num_classes - 1}, one for each column "
            f"of probabilities; given: {array[first].item()!r} in row {first}."
        )
    return array.astype(np.int64)


def _checked_names(given: Sequence[str] | None, *, num_classes: int) -> tuple[str, ...]:
    if given is None:
        return tuple(map(str, range(num_classes)))
    if isinstance(given, str):
        raise ValueError(
            f"class_names must be a sequence of names, not one text; given: {given!r}."
        )
    names = tuple(map(str, given))
    if len(names) != num_classes:
        raise ValueError(
            f"class_names has {len(names)} names but probabilities has {num_classes} "
            "columns; give one name for each column, in their order."
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"class_names must differ; given more than once: {', '.join(repeated)}."
        )
    return names
