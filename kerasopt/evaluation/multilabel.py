"""Measures of a multilabel classifier: every label by itself, and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import checks
from kerasopt import names as lookups
from kerasopt.evaluation import formatting, inputs
from kerasopt.evaluation.headlines import Headline
from kerasopt.evaluation.metrics import averages, worst_first

__all__ = ["Multilabel", "multilabel"]


@dataclass(frozen=True, eq=False, repr=False)
class Multilabel:
    """Predictions of several labels a sample and the numbers that follow from them.

    Made by `multilabel`, which checks its input.

    Attributes:
        labels: 0 or 1 for each label, int, shape (n, k).
        probabilities: Of each label, float64, shape (n, k).
        class_names: The k names of the labels.
        threshold: A label is predicted where its probability is at least this.
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon] in the loss.
        weights: Sample weights, float64, shape (n,), or None. They count in every
            measure but the support, which is a number of samples.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    threshold: float = 0.5
    epsilon: float = float(np.finfo(np.float64).eps)
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shown = formatting.short(self.mean_average_precision)
        return (
            f"Multilabel(mean_average_precision={shown}, "
            f"micro_f1={self.micro_f1:.4f}, samples={len(self)}, "
            f"labels={len(self.class_names)})"
        )

    @property
    def headline(self) -> Headline:
        """The mean average precision; it has no interval."""
        return Headline("mean_average_precision", self.mean_average_precision, None)

    @cached_property
    def predicted(self) -> np.ndarray:
        """0 or 1 for each label, int, shape (n, k)."""
        return (self.probabilities >= self.threshold).astype(np.int64)

    @cached_property
    def losses(self) -> np.ndarray:
        """The mean binary cross-entropy of each sample's labels, shape (n,)."""
        own = np.where(self.labels == 1, self.probabilities, 1 - self.probabilities)
        return -np.log(np.clip(own, self.epsilon, 1 - self.epsilon)).mean(axis=1)

    @cached_property
    def log_loss(self) -> float:
        """The mean binary cross-entropy in nats."""
        return float(np.average(self.losses, weights=self.weights))

    @property
    def loss(self) -> float:
        """The former name of `log_loss`."""
        lookups.warn_renamed("The measure 'loss'", "'log_loss'")
        return self.log_loss

    @cached_property
    def per_label(self) -> pd.DataFrame:
        """Precision, recall, F1, average precision and support by label.

        The first three are 0 where undefined; the average precision of a label
        without a positive sample is NaN.
        """
        from sklearn.metrics import precision_recall_fscore_support

        *columns, _ = precision_recall_fscore_support(
            self.labels,
            self.predicted,
            average=None,
            labels=range(len(self.class_names)),
            sample_weight=self.weights,
            zero_division=0,
        )
        table = pd.DataFrame(
            dict(zip(("precision", "recall", "f1"), columns, strict=True)),
            index=pd.Index(list(self.class_names), name="label"),
        )
        return table.assign(
            average_precision=self._average_precisions(),
            support=self.labels.sum(axis=0),
        )

    def _average_precisions(self) -> list[float]:
        from sklearn.metrics import average_precision_score

        counted = slice(None) if self.weights is None else self.weights > 0
        return [
            average_precision_score(own, p, sample_weight=self.weights)
            if own[counted].any()
            else np.nan
            for own, p in zip(self.labels.T, self.probabilities.T, strict=True)
        ]

    @cached_property
    def mean_average_precision(self) -> float | None:
        """The mean over the labels with a positive sample, None if there are none."""
        defined = self.per_label["average_precision"].dropna()
        return float(defined.mean()) if len(defined) else None

    @cached_property
    def macro(self) -> dict[str, float]:
        """The means of precision, recall and F1 over all labels."""
        return averages(self.labels, self.predicted, "macro", self.weights)

    @cached_property
    def weighted(self) -> dict[str, float]:
        """The same means, each label weighted by its number of positive samples."""
        return averages(self.labels, self.predicted, "weighted", self.weights)

    @cached_property
    def micro(self) -> dict[str, float]:
        """Precision, recall and F1 of all labels of all samples together."""
        return averages(self.labels, self.predicted, "micro", self.weights)

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1."""
        return self.macro["f1"]

    @property
    def micro_f1(self) -> float:
        """The F1 of all labels of all samples together."""
        return self.micro["f1"]

    @cached_property
    def subset_accuracy(self) -> float:
        """The share of samples with every label right (exact match)."""
        right = (self.predicted == self.labels).all(axis=1)
        return float(np.average(right, weights=self.weights))

    @property
    def binary_accuracy(self) -> float:
        """The share of right labels, 1 minus the Hamming loss."""
        return 1 - self.hamming_loss

    @cached_property
    def hamming_loss(self) -> float:
        """The share of wrong labels."""
        wrong = (self.predicted != self.labels).mean(axis=1)
        return float(np.average(wrong, weights=self.weights))

    def worst_mistakes(self, count: int = 24) -> np.ndarray:
        """Return the samples with a wrong label that have the highest loss.

        Args:
            count: How many at most.

        Returns:
            Their positions, worst first.

        Raises:
            ValueError: if `count` is negative.
        """
        wrong = np.flatnonzero((self.predicted != self.labels).any(axis=1))
        return worst_first(wrong, self.losses, count)

    def to_dict(self) -> dict[str, Any]:
        """Return the measures and the table by label for a JSON file."""
        return formatting.plain(
            {
                "mean_average_precision": self.mean_average_precision,
                "subset_accuracy": self.subset_accuracy,
                "binary_accuracy": self.binary_accuracy,
                "hamming_loss": self.hamming_loss,
                "micro_f1": self.micro_f1,
                "macro": self.macro,
                "weighted": self.weighted,
                "micro": self.micro,
                "log_loss": self.log_loss,
                "threshold": self.threshold,
                "samples": len(self),
                "per_label": self.per_label.reset_index().to_dict(orient="records"),
            }
        )


def multilabel(
    y_true: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    threshold: float | None = None,
    sample_weight: Any = None,
) -> Multilabel:
    """Measure the probabilities of each label against the true labels.

    Args:
        y_true: 0 or 1 for each label, shape (n, k).
        probabilities: Of each label, shape (n, k), in 0..1.
        class_names: The k names of the labels; the default is "0", "1", ...
        threshold: In 0..1; 0.5 by default.
        sample_weight: Weights of the samples, shape (n,), or None.

    Returns:
        A `Multilabel`.

    Raises:
        ValueError: if shapes don't fit together or a value is out of its range.

    Example:
        >>> found = multilabel([[1, 0], [1, 1]], [[0.9, 0.2], [0.6, 0.3]])
        >>> found.mean_average_precision, found.subset_accuracy, found.hamming_loss
        (1.0, 0.5, 0.25)
    """
    rows, epsilon = inputs.label_shares(probabilities)
    labels = inputs.label_rows(y_true, num_samples=len(rows), num_labels=rows.shape[1])
    return Multilabel(
        labels=labels,
        probabilities=rows,
        class_names=inputs.label_names(class_names, number=rows.shape[1]),
        threshold=checks.share("threshold", 0.5 if threshold is None else threshold),
        epsilon=epsilon,
        weights=inputs.weights(sample_weight, num_samples=len(rows)),
    )
