"""Metrics whose state is a table of sums, so that batches just add up.

All of them take labels and predictions of one form, shape (batch, columns), which
`kerasopt.metrics.Adapted` makes of any other. Shapes are static and nothing is kept
outside of variables, so they run inside compiled loops of TensorFlow and XLA.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasopt import checks
from kerasopt import names as lookups

__all__ = ["CurveArea", "DecisionScore", "TargetScore"]

# More bins make areas more exact and each step slower: Keras's loop sums up all bins
# at every step. With 10 classes, five times as many took four times as long.
_MAX_BINS = 4096
_MAX_TABLE = 2**14


class _Score(keras.metrics.Metric):
    """What the metrics of this module share: a kind of score and a table of sums.

    Args:
        score: One of `_SCORES`.
        columns: Number of classes, labels or targets.
        name: As in Keras; the score by default.
        dtype: As in Keras.
    """

    _SCORES: tuple[str, ...] = ()

    def __init__(
        self, score: str, columns: int, name: str | None = None, dtype: Any = None
    ) -> None:
        if score not in self._SCORES:
            raise lookups.unknown("score", score, self._SCORES)
        super().__init__(name=name or score, dtype=dtype)
        self.score = score
        self.columns = checks.integer("columns", columns)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "score": self.score, "columns": self.columns}


@keras.saving.register_keras_serializable(package="kerasopt")
class CurveArea(_Score):
    """The area under the ROC or the precision-recall curve, the mean of all columns.

    Predictions are counted in bins that are narrow near 0 and 1, where those of rare
    classes lie. The area is exact but for pairs in one bin, which count as ties: it
    agrees with scikit-learn's to about three digits. A column with samples of one
    class only is left out; if all are, the area is 0.

    Args:
        score: ``"auc"``, the area under the ROC curve, or ``"pr_auc"``, the average
            precision.
        columns: 1 for a binary classifier, else the number of classes (each against
            the rest) or labels.
        name: As in Keras; the score by default.
        dtype: As in Keras.

    Example:
        >>> metric = CurveArea("auc", columns=1)
        >>> metric.update_state([[0.0], [0.0], [1.0], [1.0]],
        ...                     [[0.1], [0.4], [0.35], [0.8]])
        >>> float(metric.result())
        0.75
    """

    _SCORES = ("auc", "pr_auc")

    def __init__(
        self, score: str, columns: int, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(score, columns, name, dtype)
        self.bins = min(_MAX_BINS, max(256, _MAX_TABLE // self.columns))
        self.counts = self.add_variable(
            (2, self.columns, self.bins), initializer="zeros", name="counts"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: labels 0 or 1 and probabilities, (batch, columns)."""
        y_pred = ops.cast(y_pred, "float32")
        is_positive = ops.cast(ops.cast(y_true, "float32") > 0.5, "int32")
        column = ops.arange(self.columns, dtype="int32")[None, :]
        cell = (is_positive * self.columns + column) * self.bins + self._bin(y_pred)
        weights = _weights(y_pred, sample_weight)
        counted = ops.segment_sum(
            ops.reshape(weights, (-1,)),
            ops.reshape(cell, (-1,)),
            num_segments=2 * self.columns * self.bins,
        )
        self.counts.assign_add(
            ops.cast(ops.reshape(counted, self.counts.shape), self.counts.dtype)
        )

    def _bin(self, probabilities: Any) -> Any:
        """Return the bin of each probability; it grows with the logit."""
        # Compared rather than clipped, so that NaN is a number, too.
        low, high = 1e-37, 1 - 6e-8
        p = ops.where(probabilities > low, probabilities, low)
        p = ops.where(p < high, p, high)
        # The logit lies within ±86, so that this lies within 0..1; it is finest at 0.
        place = 0.5 + ops.arcsinh((ops.log(p) - ops.log1p(-p)) / 2) / 9
        return ops.cast(place * (self.bins - 1) + 0.5, "int32")

    def result(self) -> Any:
        """Return the area, the mean over the columns."""
        negatives, positives = self.counts[0], self.counts[1]
        all_negatives = ops.sum(negatives, axis=-1)
        all_positives = ops.sum(positives, axis=-1)
        if self.score == "auc":
            below = ops.cumsum(negatives, axis=-1) - 0.5 * negatives
            pairs = ops.sum(positives * below, axis=-1)
            areas = _divide(pairs, all_positives * all_negatives)
            defined = (all_positives > 0) & (all_negatives > 0)
        else:
            true = ops.cumsum(ops.flip(positives, axis=-1), axis=-1)
            false = ops.cumsum(ops.flip(negatives, axis=-1), axis=-1)
            gains = ops.flip(positives, axis=-1) * _divide(true, true + false)
            areas = _divide(ops.sum(gains, axis=-1), all_positives)
            defined = all_positives > 0
        return _mean_where(defined, areas)


@keras.saving.register_keras_serializable(package="kerasopt")
class DecisionScore(_Score):
    """Precision, recall or F1 of the decided classes, the mean of all columns.

    Args:
        score: ``"precision"``, ``"recall"`` or ``"f1"``, each 0 where undefined.
        columns: 1 for a binary classifier, else the number of classes or labels.
        exclusive: Whether each sample has exactly one class: the most probable one is
            decided for, and a class that is neither seen nor decided for is left out
            of the mean. Else a column is decided for above a probability of 0.5.
        name: As in Keras; the score by default.
        dtype: As in Keras.

    Example:
        >>> metric = DecisionScore("f1", columns=1)
        >>> metric.update_state([[0.0], [1.0], [1.0]], [[0.6], [0.7], [0.2]])
        >>> float(metric.result())
        0.5
    """

    _SCORES = ("precision", "recall", "f1")

    def __init__(
        self,
        score: str,
        columns: int,
        exclusive: bool = False,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(score, columns, name, dtype)
        self.exclusive = exclusive
        # Rows: true positives, decided for, true.
        self.counts = self.add_variable(
            (3, self.columns), initializer="zeros", name="counts"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: labels 0 or 1 and probabilities, (batch, columns)."""
        y_pred = ops.cast(y_pred, "float32")
        true = ops.cast(ops.cast(y_true, "float32") > 0.5, "float32")
        if self.exclusive:
            decided = ops.one_hot(ops.argmax(y_pred, axis=-1), self.columns)
        else:
            decided = ops.cast(y_pred > 0.5, "float32")
        weights = _weights(y_pred, sample_weight)
        counted = [
            ops.sum(weights * part, axis=0) for part in (true * decided, decided, true)
        ]
        self.counts.assign_add(ops.cast(ops.stack(counted), self.counts.dtype))

    def result(self) -> Any:
        """Return the score, the mean over the columns."""
        both, decided, true = self.counts[0], self.counts[1], self.counts[2]
        scores = {
            "precision": (both, decided),
            "recall": (both, true),
            "f1": (2 * both, decided + true),
        }
        values = _divide(*scores[self.score])
        if not self.exclusive:
            return ops.mean(values)
        return _mean_where(decided + true > 0, values)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "exclusive": self.exclusive}


@keras.saving.register_keras_serializable(package="kerasopt")
class TargetScore(_Score):
    """RMSE or R² of a regression, the mean of all targets, as scikit-learn has it.

    Keras's `keras.metrics.RootMeanSquaredError` takes the root once for all targets.
    The sums are float64: of large targets that vary little, float32 loses R².

    Args:
        score: ``"rmse"`` or ``"r2"``. R² of targets that don't vary is 1 for perfect
            predictions, else 0.
        columns: Number of targets.
        name: As in Keras; the score by default.
        dtype: As in Keras.

    Example:
        >>> metric = TargetScore("r2", columns=1)
        >>> metric.update_state([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]])
        >>> float(metric.result())
        0.5
    """

    _SCORES = ("rmse", "r2")

    def __init__(
        self, score: str, columns: int, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(score, columns, name, dtype)
        # Rows: weights, squared errors, targets, squared targets.
        self.sums = self.add_variable(
            (4, self.columns), initializer="zeros", dtype="float64", name="sums"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: targets and predictions, (batch, columns)."""
        y_true, y_pred = ops.cast(y_true, "float64"), ops.cast(y_pred, "float64")
        weights = _weights(y_pred, sample_weight)
        parts = (ops.ones_like(y_true), ops.square(y_true - y_pred), y_true,
                 ops.square(y_true))  # fmt: skip
        self.sums.assign_add(
            ops.stack([ops.sum(weights * part, axis=0) for part in parts])
        )

    def result(self) -> Any:
        """Return the score, the mean over the targets."""
        weights, squared_errors, total, squares = (self.sums[i] for i in range(4))
        if self.score == "rmse":
            values = ops.sqrt(_divide(squared_errors, weights))
        else:
            variation = squares - _divide(ops.square(total), weights)
            varies = variation > 1e-12 * squares
            perfect = ops.cast(squared_errors == 0, "float64")
            values = ops.where(
                varies,
                1 - _divide(squared_errors, ops.where(varies, variation, 1.0)),
                perfect,
            )
        return ops.cast(ops.mean(values), self.dtype)


def _weights(like: Any, sample_weight: Any) -> Any:
    """Return the weight of each cell, shape (batch, columns)."""
    ones = ops.ones_like(like)
    if sample_weight is None:
        return ones
    weights = ops.reshape(ops.cast(sample_weight, like.dtype), (-1, 1))
    return ones * weights


def _divide(numerator: Any, denominator: Any) -> Any:
    return ops.divide_no_nan(numerator, denominator)


def _mean_where(defined: Any, values: Any) -> Any:
    counted = ops.cast(defined, values.dtype)
    return _divide(ops.sum(values * counted), ops.sum(counted))
