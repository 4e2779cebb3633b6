"""Measures of a binary classifier: ROC, precision and recall, and the threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import checks
from kerasopt import names as lookups
from kerasopt.evaluation import formatting
from kerasopt.evaluation.metrics import Classification, checked

__all__ = ["Binary", "binary", "choose_threshold"]

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Binary(Classification):
    """A `Classification` of two classes; class 1 is the positive one.

    Made by `binary`. Accuracy, confusion matrix and per-class table take the more
    probable class. Only `at_threshold` depends on the threshold.

    Attributes:
        labels: The true class of each sample, 0 or 1, shape (n,).
        probabilities: Of both classes, float64, shape (n, 2).
        class_names: The two names.
        confidence: Coverage of `interval`.
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon] in the loss.
        weights: Sample weights, float64, shape (n,), or None.
        soft_labels: Rows of soft labels, shape (n, 2), or None.
        threshold: Class 1 is predicted where its probability is at least this.
    """

    threshold: float = DEFAULT_THRESHOLD

    @cached_property
    def positive(self) -> np.ndarray:
        """The probability of class 1, float64, shape (n,)."""
        return self.probabilities[:, 1]

    @property
    def _has_both_classes(self) -> bool:
        counted = self.labels if self.weights is None else self.labels[self.weights > 0]
        return len(np.unique(counted)) == 2

    @cached_property
    def roc(self) -> pd.DataFrame | None:
        """The ROC curve: false_positive_rate, true_positive_rate, threshold.

        None where only one class is present.
        """
        if not self._has_both_classes:
            return None
        from sklearn.metrics import roc_curve

        false, true, thresholds = roc_curve(
            self.labels, self.positive, sample_weight=self.weights
        )
        return pd.DataFrame(
            {
                "false_positive_rate": false,
                "true_positive_rate": true,
                "threshold": thresholds,
            }
        )

    @cached_property
    def auc(self) -> float | None:
        """The area under the ROC curve, None where only one class is present."""
        if not self._has_both_classes:
            return None
        from sklearn.metrics import roc_auc_score

        found = roc_auc_score(self.labels, self.positive, sample_weight=self.weights)
        return float(found)

    @cached_property
    def precision_recall(self) -> pd.DataFrame | None:
        """The precision-recall curve: recall, precision, threshold.

        The last row, of recall 0, has no threshold. None where only one class is
        present.
        """
        if not self._has_both_classes:
            return None
        from sklearn.metrics import precision_recall_curve

        precision, recall, thresholds = precision_recall_curve(
            self.labels, self.positive, sample_weight=self.weights
        )
        return pd.DataFrame(
            {
                "recall": recall,
                "precision": precision,
                "threshold": np.append(thresholds, np.nan),
            }
        )

    @cached_property
    def average_precision(self) -> float | None:
        """The mean of the precisions, weighted by the gain in recall.

        None where only one class is present.
        """
        if not self._has_both_classes:
            return None
        from sklearn.metrics import average_precision_score

        found = average_precision_score(
            self.labels, self.positive, sample_weight=self.weights
        )
        return float(found)

    @cached_property
    def at_threshold(self) -> dict[str, float]:
        """The measures of the decision at the threshold, by name.

        ``threshold``, ``accuracy``, ``precision``, ``recall``, ``f1`` (each 0 where
        undefined), and the numbers of samples ``true_positives``,
        ``false_positives``, ``false_negatives``, ``true_negatives``.
        """
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        decided = (self.positive >= self.threshold).astype(int)
        precision, recall, f1, _ = precision_recall_fscore_support(
            self.labels,
            decided,
            average="binary",
            sample_weight=self.weights,
            zero_division=0,
        )
        cells = confusion_matrix(self.labels, decided, labels=[0, 1])
        (true_negatives, false_positives), (false_negatives, true_positives) = cells
        right = decided == self.labels
        return {
            "threshold": self.threshold,
            "accuracy": float(np.average(right, weights=self.weights)),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "true_positives": int(true_positives),
            "false_positives": int(false_positives),
            "false_negatives": int(false_negatives),
            "true_negatives": int(true_negatives),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the measures and tables, without the curves, for a JSON file."""
        return {
            **super().to_dict(),
            "auc": self.auc,
            "average_precision": self.average_precision,
            "at_threshold": formatting.plain(self.at_threshold),
        }


def binary(
    y_true: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    threshold: float | None = None,
    confidence: float = 0.95,
    sample_weight: Any = None,
) -> Binary:
    """Measure the probabilities of two classes against the true classes.

    Args:
        y_true: True classes 0 or 1, shape (n,), (n, 1), or one-hot rows (n, 2).
        probabilities: Shape (n, 2), each row summing to 1.
        class_names: The two names; class 1 is the positive one.
        threshold: In 0..1; choose it on validation data by `choose_threshold`.
            0.5 by default.
        confidence: Coverage of the accuracy's interval, between 0 and 1.
        sample_weight: Weights of the samples, shape (n,), or None.

    Returns:
        A `Binary`.

    Raises:
        ValueError: if shapes don't fit together or a value is out of its range.

    Example:
        >>> p = np.array([0.1, 0.4, 0.35, 0.8])
        >>> found = binary([0, 0, 1, 1], np.stack([1 - p, p], axis=1), threshold=0.3)
        >>> found.auc, found.accuracy, found.at_threshold["recall"]
        (0.75, 0.75, 1.0)
    """
    fields = checked(y_true, probabilities, class_names, confidence, sample_weight)
    columns = fields["probabilities"].shape[1]
    if columns != 2:
        raise ValueError(
            "A binary result needs probabilities of shape (n, 2), one column for each "
            f"class; given: {columns} columns. For more classes use the task "
            "'multiclass'."
        )
    chosen = DEFAULT_THRESHOLD if threshold is None else threshold
    return Binary(**fields, threshold=checks.share("threshold", chosen))


def choose_threshold(
    y_true: Any, probabilities: Any, *, maximize: str = "f1", sample_weight: Any = None
) -> float:
    """Choose the decision threshold that maximizes a measure.

    Choose it on validation data: on the test set the result would be optimistic.

    Args:
        y_true: True classes 0 or 1, shape (n,), (n, 1), or one-hot rows (n, 2).
        probabilities: Of class 1, shape (n,), or of both classes, shape (n, 2).
        maximize: ``"f1"`` (default), ``"accuracy"``, or ``"balanced_accuracy"``, the
            mean of the recalls of both classes.
        sample_weight: Weights of the samples, shape (n,), or None.

    Returns:
        A threshold in 0..1, half-way to the next lower probability; of equally good
        ones that nearest to 0.5. 0.5 where only one class is present.

    Raises:
        ValueError: if the measure is unknown or labels and probabilities don't fit
            together.

    Example:
        >>> choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9])
        0.25
    """
    if maximize not in _SCORES:
        raise lookups.unknown("measure to maximize", maximize, _SCORES)
    rows = np.asarray(probabilities)
    if rows.ndim == 1 and rows.dtype.kind in "buif":
        rows = np.stack([1 - rows, rows], axis=1)
    found = binary(y_true, rows, sample_weight=sample_weight)
    if not found._has_both_classes:
        return DEFAULT_THRESHOLD
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(
        found.labels,
        found.positive,
        sample_weight=found.weights,
        drop_intermediate=False,
    )
    weights = np.ones(len(found)) if found.weights is None else found.weights
    positives, negatives = (weights[found.labels == c].sum() for c in (1, 0))
    scores = _SCORES[maximize](
        true * positives, false * negatives, positives, negatives
    )
    # The curve begins where nothing is predicted, which no threshold in 0..1 does if
    # a probability is 1.
    scores[0] = -np.inf if found.positive.max() >= 1 else scores[0]
    candidates = _halfway(np.clip(thresholds, 0, 1))
    best = candidates[np.isclose(scores, scores.max(), rtol=0, atol=1e-12)]
    return float(best[np.argmin(np.abs(best - DEFAULT_THRESHOLD))])


def _halfway(thresholds: np.ndarray) -> np.ndarray:
    """Return the middles to the next lower threshold, which decide the same."""
    lower = np.append(thresholds[1:], 0)
    middle = (thresholds + lower) / 2
    # Of neighbours among the floats there is none between.
    return np.where(middle > lower, middle, thresholds)


_Score = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]

# From true positives, false positives, and the numbers of both classes.
_SCORES: dict[str, _Score] = {
    "f1": lambda true, false, p, n: 2 * true / (true + false + p),
    "accuracy": lambda true, false, p, n: (true + n - false) / (p + n),
    "balanced_accuracy": lambda true, false, p, n: (true / p + 1 - false / n) / 2,
}
