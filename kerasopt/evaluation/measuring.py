"""One entry to the measures of every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasopt import tasks
from kerasopt.evaluation.binary import Binary, binary
from kerasopt.evaluation.metrics import Classification, classification
from kerasopt.evaluation.multilabel import Multilabel, multilabel
from kerasopt.evaluation.regression import Regression, regression

__all__ = ["Result", "measure"]

Result = Classification | Binary | Multilabel | Regression
"""What `measure` returns.

Each has ``headline`` (name, value, interval), ``to_dict()``, ``worst_mistakes(count)``
and a length, its number of samples.
"""


def measure(
    task: str | tasks.Task,
    y: Any,
    predictions: Any,
    *,
    class_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    threshold: float | None = None,
    confidence: float = 0.95,
) -> Result:
    """Measure predictions against labels or targets, as the task asks.

    Args:
        task: A name or a `kerasopt.tasks.Task`.
        y: Labels or targets.
        predictions: In the form that `kerasopt.evaluation.predictions` returns.
        class_names: Names of the classes, labels or targets.
        sample_weight: Weights of the samples, shape (n,), or None.
        threshold: Decision threshold in 0..1, for binary and multilabel.
        confidence: Coverage of the intervals, between 0 and 1.

    Returns:
        `Binary`, `Classification`, `Multilabel` or `Regression`. What is undefined,
        such as the AUC of a single class, is None.

    Raises:
        ValueError: if labels and predictions don't fit together, or a threshold is
            given for another task.

    Example:
        >>> measure("regression", [1.0, 3.0], [2.0, 3.0]).mae
        0.5
        >>> measure("binary", [0, 1], [[0.9, 0.1], [0.2, 0.8]]).headline.value
        1.0
    """
    name = tasks.get(task).name
    if threshold is not None and name not in ("binary", "multilabel"):
        raise ValueError(
            f"threshold has no effect on the task {name!r}; leave it out. It is for "
            f"'binary' and 'multilabel'. Given: {threshold!r}."
        )
    weight: dict[str, Any] = {"sample_weight": sample_weight}
    sure: dict[str, Any] = {"confidence": confidence, **weight}
    if name == "regression":
        return regression(y, predictions, target_names=class_names, **sure)
    if name == "multiclass":
        return classification(y, predictions, class_names=class_names, **sure)
    decided: dict[str, Any] = {"class_names": class_names, "threshold": threshold}
    if name == "multilabel":
        return multilabel(y, predictions, **decided, **weight)
    return binary(y, predictions, **decided, **sure)
