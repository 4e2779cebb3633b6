"""Classification metrics from labels and predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import checks
from kerasopt import names as lookups
from kerasopt.evaluation import formatting, inputs, intervals
from kerasopt.evaluation.headlines import Headline
from kerasopt.evaluation.intervals import wilson

__all__ = ["Classification", "classification", "wilson"]


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
        weights: Sample weights, float64, shape (n,), or None. They count in every
            measure but `confusion` and the support, which are numbers of samples.
        soft_labels: Rows of soft labels, shape (n, k), or None. The loss is theirs;
            everything else takes the class with the largest share.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    confidence: float = 0.95
    epsilon: float = float(np.finfo(np.float64).eps)
    weights: np.ndarray | None = None
    soft_labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"{type(self).__name__}(accuracy={self.accuracy:.4f} "
            f"[{low:.4f}, {high:.4f}], log_loss={self.log_loss:.4f}, "
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
        if self.soft_labels is not None:
            return -(self.soft_labels * self._logarithms(self.probabilities)).sum(1)
        own = self.probabilities[np.arange(len(self)), self.labels]
        return -self._logarithms(own)

    def _logarithms(self, probabilities: np.ndarray) -> np.ndarray:
        return np.log(np.clip(probabilities, self.epsilon, 1 - self.epsilon))

    @cached_property
    def headline(self) -> Headline:
        """The accuracy and its interval."""
        return Headline("accuracy", self.accuracy, self.interval)

    @cached_property
    def accuracy(self) -> float:
        """The share of samples whose most probable class is the true one."""
        return float(np.average(self.predicted == self.labels, weights=self.weights))

    @cached_property
    def log_loss(self) -> float:
        """The mean cross-entropy in nats (natural logarithm).

        It is the loss of the training only where that is the plain cross-entropy.
        """
        return float(np.average(self.losses, weights=self.weights))

    @property
    def loss(self) -> float:
        """The former name of `log_loss`."""
        lookups.warn_renamed("The measure 'loss'", "'log_loss'")
        return self.log_loss

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The Wilson score interval of the accuracy, (low, high)."""
        return intervals.of_share(
            self.predicted == self.labels, self.weights, confidence=self.confidence
        )

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
        *columns, _ = precision_recall_fscore_support(
            self.labels,
            self.predicted,
            labels=range(len(names)),
            zero_division=0,
            sample_weight=self.weights,
        )
        table = pd.DataFrame(
            dict(zip(("precision", "recall", "f1"), columns, strict=True)),
            index=pd.Index(names, name="class"),
        )
        return table.assign(support=np.bincount(self.labels, minlength=len(names)))

    @cached_property
    def macro(self) -> dict[str, float]:
        """The means of precision, recall and F1 over the classes.

        A class that is neither among the labels nor predicted has no part in them.
        """
        return averages(self.labels, self.predicted, "macro", self.weights)

    @cached_property
    def weighted(self) -> dict[str, float]:
        """The same means, each class weighted by its share of the samples."""
        return averages(self.labels, self.predicted, "weighted", self.weights)

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
        wrong = np.flatnonzero(self.predicted != self.labels)
        return worst_first(wrong, self.losses, count)

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers and the per-class table for a JSON file."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "confidence": self.confidence,
            "log_loss": self.log_loss,
            "samples": len(self),
            "macro": self.macro,
            "weighted": self.weighted,
            "per_class": formatting.plain(
                self.per_class.reset_index().to_dict(orient="records")
            ),
            "confusion": self.confusion.to_numpy().tolist(),
        }


def classification(
    y_true: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    confidence: float = 0.95,
    sample_weight: Any = None,
) -> Classification:
    """Measure predicted probabilities against the true classes.

    The loss is the mean of -ln p(true class), with p clipped to
    [eps, 1 - eps] at the machine epsilon of the given type.

    Args:
        y_true: True classes: integers of shape (n,) or (n, 1), or one-hot or soft
            rows of shape (n, k).
        probabilities: Predicted probabilities, shape (n, k), k >= 2, each row
            summing to 1 within 0.001.
        class_names: The k different names; the default is "0", "1", ...
        confidence: Coverage of the accuracy's interval, between 0 and 1.
        sample_weight: Weights of the samples, shape (n,), or None.

    Returns:
        A `Classification` with accuracy, log loss, interval, confusion matrix,
        per-class table and worst mistakes.

    Raises:
        ValueError: if shapes don't fit together, probabilities aren't such, or
            labels are out of range.

    Example:
        >>> result = classification([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
        >>> round(result.accuracy, 3), round(result.log_loss, 3)
        (0.667, 0.511)
        >>> result.worst_mistakes().tolist()
        [2]
    """
    return Classification(
        **checked(y_true, probabilities, class_names, confidence, sample_weight)
    )


def averages(
    labels: np.ndarray,
    predicted: np.ndarray,
    average: str,
    weights: np.ndarray | None,
) -> dict[str, float]:
    """Return mean precision, recall and F1, each 0 where undefined.

    Args:
        labels: True classes, shape (n,), or labels, shape (n, k).
        predicted: Of the same shape.
        average: ``"macro"``, ``"weighted"`` or ``"micro"``, as in scikit-learn.
        weights: Sample weights, shape (n,), or None.

    Example:
        >>> found = averages(np.array([0, 1, 1]), np.array([0, 1, 0]), "weighted", None)
        >>> round(found["precision"], 3)
        0.833
    """
    from sklearn.metrics import precision_recall_fscore_support

    *means, _ = precision_recall_fscore_support(
        labels, predicted, average=average, sample_weight=weights, zero_division=0
    )
    return dict(zip(("precision", "recall", "f1"), map(float, means), strict=True))


def worst_first(candidates: np.ndarray, losses: np.ndarray, count: int) -> np.ndarray:
    """Return the candidates with the highest losses, worst first."""
    checks.integer("count", count, least=0)
    # A stable sort keeps ties in the order of the data set, so that two reports of
    # one run show the same samples.
    order = np.argsort(-losses[candidates], kind="stable")
    return candidates[order[:count]]


def checked(
    y_true: Any,
    probabilities: Any,
    class_names: Sequence[str] | None,
    confidence: float,
    sample_weight: Any,
) -> dict[str, Any]:
    """Return the checked fields of a `Classification`."""
    intervals.check_confidence(confidence)
    rows, epsilon = inputs.probabilities(probabilities)
    labels, soft = inputs.class_labels(
        y_true, num_samples=len(rows), num_classes=rows.shape[1]
    )
    return {
        "labels": labels,
        "probabilities": rows,
        "class_names": inputs.label_names(class_names, number=rows.shape[1]),
        "confidence": float(confidence),
        "epsilon": epsilon,
        "weights": inputs.weights(sample_weight, num_samples=len(rows)),
        "soft_labels": soft,
    }
