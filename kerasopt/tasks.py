"""Tasks: what the labels mean, and what follows for loss, metrics and evaluation.

==============  ===================================  ==================================
task            labels                               model output
==============  ===================================  ==================================
``binary``      0 or 1, shape (n,)                   one sigmoid or logit, or two
                                                     softmax classes or logits
``multiclass``  classes 0..k-1, shape (n,), or       k softmax classes or logits
                one-hot or soft rows (n, k)
``multilabel``  0 or 1 for each label, (n, k)        k sigmoids or logits
``regression``  numbers, shape (n,) or (n, targets)  one linear output a target
==============  ===================================  ==================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasopt import names as lookups

__all__ = ["Task", "get", "infer", "names"]

SOFT_LABEL_TOLERANCE = 1e-2
"""Rows of soft labels (smoothing, mixup) sum to 1 up to the rounding of float16."""


@dataclass(frozen=True)
class Task:
    """One kind of task.

    Attributes:
        name: ``"binary"``, ``"multiclass"``, ``"multilabel"`` or ``"regression"``.
        metrics: Names of the metrics that are logged by default.
        headline: The measure that stands for a result, as in ``test_accuracy``.
        higher_is_better: Whether a larger headline is better.
    """

    name: str
    metrics: tuple[str, ...]
    headline: str
    higher_is_better: bool = True

    @property
    def has_classes(self) -> bool:
        """Whether each sample belongs to exactly one class."""
        return self.name in ("binary", "multiclass")


_TASKS = {
    task.name: task
    for task in (
        Task("binary", ("accuracy",), "accuracy"),
        Task("multiclass", ("accuracy",), "accuracy"),
        Task("multilabel", ("accuracy",), "mean_average_precision"),
        Task("regression", ("mae",), "rmse", higher_is_better=False),
    )
}


def names() -> list[str]:
    """Return the names of the tasks.

    Example:
        >>> names()
        ['binary', 'multiclass', 'multilabel', 'regression']
    """
    return list(_TASKS)


def get(task: str | Task) -> Task:
    """Return a task by its name; a `Task` passes as it is.

    Args:
        task: A name of `names`.

    Raises:
        ValueError: if there is no such task.

    Example:
        >>> get("regression").headline
        'rmse'
    """
    if isinstance(task, Task):
        return task
    if not isinstance(task, str) or task not in _TASKS:
        raise lookups.unknown("task", str(task), _TASKS)
    return _TASKS[task]


def infer(
    y: Any, *, num_outputs: int | None = None, activation: str | None = None
) -> Task:
    """Infer the task from labels and, where there is one, from the model's output.

    Args:
        y: Labels, shape (n,) or (n, k). Text counts as classes.
        num_outputs: Width of the model's output, if known.
        activation: Keras name of the model's last activation, if known.

    Returns:
        The task.

    Raises:
        ValueError: if the labels have another shape.

    Example:
        >>> infer([0, 1, 1]).name, infer([0, 2, 1]).name, infer([0.3, 1.2]).name
        ('binary', 'multiclass', 'regression')
        >>> infer([[1, 0, 1], [0, 0, 0]]).name
        'multilabel'
    """
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return get(_of_single_labels(labels, num_outputs, activation))
    if labels.ndim == 2:
        return get(_of_rows(labels, activation))
    raise ValueError(
        f"Labels have the shape (n,) or (n, k); given: {labels.shape}. For other "
        "targets give the loss and the metrics yourself: they decide then."
    )


def _of_single_labels(
    labels: np.ndarray, num_outputs: int | None, activation: str | None
) -> str:
    if labels.dtype.kind not in "buif":
        return "binary" if len(set(labels.tolist())) == 2 else "multiclass"
    whole = labels.dtype.kind in "bui" or bool(np.all(labels == np.round(labels)))
    zero_or_one = whole and bool(np.isin(labels, (0, 1)).all())
    if zero_or_one and num_outputs in (None, 1, 2):
        # A linear output for 0 and 1 is a logit.
        return "binary"
    if not whole or num_outputs == 1:
        return "regression"
    if labels.dtype.kind == "f" and num_outputs is None:
        # 1.0, 2.0, 3.0: counts and ratings more often than classes.
        return "regression"
    return "multiclass"


def _of_rows(labels: np.ndarray, activation: str | None) -> str:
    if labels.dtype.kind not in "buif":
        return "multilabel"
    zero_or_one = bool(np.isin(labels, (0, 1)).all())
    if zero_or_one and activation == "sigmoid":
        return "multilabel"
    sums = labels.sum(axis=1, dtype=np.float64)
    shares = bool((labels >= 0).all()) and bool(
        (np.abs(sums - 1) <= SOFT_LABEL_TOLERANCE).all()
    )
    if shares:
        return "multiclass"
    return "multilabel" if zero_or_one else "regression"
