"""Measures of a regression: MAE, RMSE and R² with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kerasopt.evaluation import formatting, inputs, intervals
from kerasopt.evaluation.headlines import Headline
from kerasopt.evaluation.metrics import worst_first

__all__ = ["Regression", "regression"]

_MEASURES = ("mae", "rmse", "r2")


@dataclass(frozen=True, eq=False, repr=False)
class Regression:
    """Predicted numbers, the true ones, and the measures that follow from them.

    Made by `regression`, which checks its input. With several targets each measure is
    the mean of those of the targets.

    Attributes:
        targets: The true numbers, float64, shape (n, t).
        predictions: The predicted numbers, float64, shape (n, t).
        target_names: The t names.
        confidence: Coverage of the intervals.
        weights: Sample weights, float64, shape (n,), or None. They count in every
            measure.
        seed: Seed of the bootstrap.
    """

    targets: np.ndarray
    predictions: np.ndarray
    target_names: tuple[str, ...]
    confidence: float = 0.95
    weights: np.ndarray | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return (
            f"Regression(mae={self.mae:.4g}, rmse={self.rmse:.4g}, "
            f"r2={formatting.short(self.r2)}, samples={len(self)}, "
            f"targets={len(self.target_names)})"
        )

    @property
    def headline(self) -> Headline:
        """The root mean squared error and its interval."""
        return Headline("rmse", self.rmse, self.intervals["rmse"])

    @cached_property
    def errors(self) -> np.ndarray:
        """Predicted minus true numbers, shape (n, t)."""
        return self.predictions - self.targets

    @cached_property
    def per_target(self) -> pd.DataFrame:
        """MAE, RMSE and R² by target; R² is NaN for targets that don't vary."""
        columns = _measures(self._samples.sum(axis=0)[None])[0]
        return pd.DataFrame(
            columns.T,
            columns=list(_MEASURES),
            index=pd.Index(list(self.target_names), name="target"),
        )

    @cached_property
    def mae(self) -> float:
        """The mean absolute error, in the unit of the targets."""
        return float(self.per_target["mae"].mean())

    @cached_property
    def rmse(self) -> float:
        """The root mean squared error, in the unit of the targets."""
        return float(self.per_target["rmse"].mean())

    @cached_property
    def r2(self) -> float | None:
        """The share of the variance that is explained, None if nothing varies.

        Targets that don't vary are left out of the mean.
        """
        defined = self.per_target["r2"].dropna()
        return float(defined.mean()) if len(defined) else None

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals (percentiles) of mae, rmse and r2.

        None for a single sample and where a measure is undefined.
        """
        ends = intervals.bootstrap(
            self._samples,
            lambda sums: _mean(_measures(sums)),
            confidence=self.confidence,
            seed=self.seed,
        )
        found = dict(zip(_MEASURES, ends, strict=True))
        return {**found, "r2": None if self.r2 is None else found["r2"]}

    @cached_property
    def _samples(self) -> np.ndarray:
        """What the measures need of each sample, in columns that can be summed."""
        # Without the mean, squares of large numbers would lose their digits.
        centred = self.targets - np.average(self.targets, axis=0, weights=self.weights)
        ones = np.ones((len(self), 1))
        parts = (np.abs(self.errors), self.errors**2, centred, centred**2)
        columns = np.concatenate([ones, *parts], axis=1)
        return columns if self.weights is None else columns * self.weights[:, None]

    def worst_mistakes(self, count: int = 24) -> np.ndarray:
        """Return the samples with the largest errors.

        With several targets an error is the mean of the absolute errors, each in
        standard deviations of its target.

        Args:
            count: How many at most.

        Returns:
            Their positions, worst first.

        Raises:
            ValueError: if `count` is negative.
        """
        sizes = np.abs(self.errors)
        if sizes.shape[1] > 1:
            spread = self.targets.std(axis=0)
            sizes = sizes / np.where(spread > 0, spread, 1)
        return worst_first(np.arange(len(self)), sizes.mean(axis=1), count)

    def to_dict(self) -> dict[str, Any]:
        """Return the measures, their intervals and the table by target for JSON."""
        return formatting.plain(
            {
                "mae": self.mae,
                "rmse": self.rmse,
                "r2": self.r2,
                "intervals": self.intervals,
                "confidence": self.confidence,
                "samples": len(self),
                "per_target": self.per_target.reset_index().to_dict(orient="records"),
            }
        )


def regression(
    y_true: Any,
    predictions: Any,
    *,
    target_names: Sequence[str] | None = None,
    confidence: float = 0.95,
    sample_weight: Any = None,
    seed: int = 0,
) -> Regression:
    """Measure predicted numbers against the true ones.

    Args:
        y_true: True numbers, shape (n,) or (n, targets).
        predictions: Predicted numbers, of the same shape.
        target_names: One name for each target; the default is "0", "1", ...
        confidence: Coverage of the intervals, between 0 and 1.
        sample_weight: Weights of the samples, shape (n,), or None.
        seed: Seed of the bootstrap.

    Returns:
        A `Regression`.

    Raises:
        ValueError: if shapes don't fit together or a number isn't finite.

    Example:
        >>> found = regression([1.0, 2.0, 3.0, 6.0], [1.0, 2.0, 4.0, 4.0])
        >>> found.mae, round(found.rmse, 3), round(found.r2, 3)
        (0.75, 1.118, 0.643)
    """
    intervals.check_confidence(confidence)
    rows = inputs.target_rows(predictions, "predictions")
    targets = inputs.target_rows(y_true, "y_true")
    inputs.same_number(targets, len(rows), of="predictions")
    if targets.shape != rows.shape:
        raise ValueError(
            f"y_true has {targets.shape[1]} targets but predictions has "
            f"{rows.shape[1]}; the model needs one output for each target."
        )
    return Regression(
        targets=targets,
        predictions=rows,
        target_names=inputs.label_names(
            target_names, number=rows.shape[1], of="predictions"
        ),
        confidence=float(confidence),
        weights=inputs.weights(sample_weight, num_samples=len(rows)),
        seed=seed,
    )


def _measures(sums: np.ndarray) -> np.ndarray:
    """Return MAE, RMSE and R² by target, shape (rows, 3, t), from column sums."""
    total = sums[:, :1]
    absolute, squared, first, second = np.split(sums[:, 1:], 4, axis=1)
    variation = second - first**2 / total
    # What rounding leaves of targets that don't vary.
    varies = variation > 1e-12 * np.maximum(second, np.finfo(float).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(varies, 1 - squared / variation, np.nan)
    return np.stack([absolute / total, np.sqrt(squared / total), r2], axis=1)


def _mean(measures: np.ndarray) -> np.ndarray:
    """Return the means over the targets that have a value, shape (rows, 3)."""
    defined = np.isfinite(measures)
    number = defined.sum(axis=2)
    total = np.where(defined, measures, 0).sum(axis=2)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
