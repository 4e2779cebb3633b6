"""When a trial has shown enough of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["Pruner", "StopAtEpoch", "is_behind_the_half", "is_behind_the_median"]

LEAST_OTHERS = 5
"""Curves that a rule wants before it speaks."""

EARLY = 0.1
"""Share of the training in which nobody is hopeless yet."""


class StopAtEpoch(keras.callbacks.Callback):
    """Stops after an epoch, as if the training ended there.

    Args:
        epochs: The last one's number, counted from 1.
    """

    memory = ()  # A checkpoint that is continued was to end earlier.

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count."""
        if epoch + 1 >= self.epochs:
            self.model.stop_training = True


class Pruner(keras.callbacks.Callback):
    """Stops a trial that is behind the others at the same epoch.

    Args:
        rule: ``"median"`` or ``"halving"``.
        objective: Name in the logs.
        maximize: Whether more of it is better.
        others: The other trials' results, one list a trial, one number an epoch.
        epochs: Length of a whole training: at its end nothing is left to save.
    """

    memory = ()  # `remember` has the epochs, the last one of a killed trial too.

    def __init__(
        self,
        rule: str,
        *,
        objective: str,
        maximize: bool,
        others: Sequence[Sequence[float]],
        epochs: int,
    ) -> None:
        super().__init__()
        self.behind = _RULES[rule]
        self.objective = objective
        self.sign = 1.0 if maximize else -1.0
        self.others = [self.sign * np.asarray(other, float) for other in others]
        self.epochs = epochs
        self.curve: list[float] = []
        self.stopped = False

    def remember(self, curve: Sequence[float]) -> None:
        """Take up the epochs before an interruption; the last may have ended the trial.

        Args:
            curve: One number an epoch.
        """
        self.curve = [self.sign * value for value in curve]
        self.stopped = self._is_behind()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare."""
        value = float((logs or {}).get(self.objective, math.nan))
        self.curve = [*self.curve[:epoch], self.sign * value]
        self.stopped = self._is_behind()
        if self.stopped:
            self.model.stop_training = True

    def _is_behind(self) -> bool:
        trained = len(self.curve)
        early, last = trained < EARLY * self.epochs, trained >= self.epochs
        if not trained or early or last:
            return False
        return bool(self.behind(np.array(self.curve), self.others))


def is_behind_the_median(curve: np.ndarray, others: Sequence[np.ndarray]) -> bool:
    """Return whether a trial's best is below the median of the others' means so far.

    The median stopping rule of Golovin et al. (2017): a trial is stopped at epoch e if
    its best value up to e is below the median of the running means, up to e, of the
    trials that came as far.

    Args:
        curve: Its values, more being better, one an epoch.
        others: Those of the other trials.

    Example:
        >>> others = [np.array([0.5, 0.6])] * 5
        >>> is_behind_the_median(np.array([0.3, 0.4]), others)
        True
        >>> is_behind_the_median(np.array([0.3, 0.58]), others)
        False

    References:
        Golovin et al. (2017), Google Vizier: A Service for Black-Box Optimization.
    """
    epoch = len(curve)
    means = [other[:epoch].mean() for other in others if len(other) >= epoch]
    return len(means) >= LEAST_OTHERS and _best(curve) < float(np.nanmedian(means))


def is_behind_the_half(curve: np.ndarray, others: Sequence[np.ndarray]) -> bool:
    """Return whether, at an epoch that is a power of 2, others were mostly better.

    Asynchronous successive halving (Li et al., 2020) with a factor of 2 and the rungs
    1, 2, 4, 8, ...: a trial continues from a rung if its best value so far is at least
    the median of the best values that all trials had there.

    Args:
        curve: Its values, more being better, one an epoch.
        others: Those of the other trials.

    Example:
        >>> others = [np.array([v, 0.9]) for v in (0.1, 0.2, 0.3, 0.4, 0.5)]
        >>> is_behind_the_half(np.array([0.25]), others)
        True
        >>> is_behind_the_half(np.array([0.35]), others)
        False

    References:
        Li et al. (2020), A System for Massively Parallel Hyperparameter Tuning.
    """
    epoch = len(curve)
    if epoch & (epoch - 1):
        return False
    best = [_best(other[:epoch]) for other in others if len(other) >= epoch]
    return len(best) >= LEAST_OTHERS and _best(curve) < float(np.median(best))


def _best(values: np.ndarray) -> float:
    """Return the largest value; a NaN is worse than any number."""
    return float(np.max(np.nan_to_num(values, nan=-np.inf)))


_RULES = {"median": is_behind_the_median, "halving": is_behind_the_half}
