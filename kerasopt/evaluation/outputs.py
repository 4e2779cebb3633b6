"""From what a model returns to the predictions that evaluation takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasopt import checks, tasks
from kerasopt.evaluation import inputs

__all__ = ["predictions"]


def predictions(
    task: str | tasks.Task, outputs: Any, from_logits: bool = False
) -> np.ndarray:
    """Convert the outputs of a model to predictions of one form for each task.

    ==============  =========================  ==================================
    task            outputs                    predictions
    ==============  =========================  ==================================
    ``binary``      (n,), (n, 1) or (n, 2)     probabilities of both classes, (n, 2)
    ``multiclass``  (n, k)                     probabilities of each class, (n, k)
    ``multilabel``  (n, k)                     probability of each label, (n, k)
    ``regression``  (n,) or (n, targets)       numbers, (n, targets)
    ==============  =========================  ==================================

    Args:
        task: A name or a `kerasopt.tasks.Task`.
        outputs: What the model returns, any float type.
        from_logits: Whether the model ends without softmax or sigmoid. Outputs of a
            regression are never logits.

    Returns:
        A float32 array, float64 for float64 outputs. Rows of class probabilities sum
        to 1: outputs of another sum, such as those of several sigmoids or of
        bfloat16, are divided by it, as Keras's cross-entropies do.

    Raises:
        ValueError: if outputs of this shape or range don't belong to the task.

    Example:
        >>> predictions("binary", [[0.25], [1.0]]).tolist()
        [[0.75, 0.25], [0.0, 1.0]]
        >>> predictions("multiclass", [[1.0, 1.0]], from_logits=True).tolist()
        [[0.5, 0.5]]
    """
    name = tasks.get(task).name
    checks.boolean("from_logits", from_logits)
    given = np.asarray(inputs.array(outputs, "outputs"))
    values = given if given.dtype == np.float64 else given.astype(np.float32)
    if values.ndim == 1 and name != "multiclass":
        values = values[:, None]
    _check_shape(name, values, given.shape)
    if name == "regression":
        return values
    if name == "multilabel" or values.shape[1] == 1:
        rows = _sigmoid(values) if from_logits else _checked(values, most=1.0)
        return np.concatenate([1 - rows, rows], axis=1) if name == "binary" else rows
    return _softmax(values) if from_logits else _normalised(_checked(values))


def _check_shape(task: str, values: np.ndarray, given: tuple[int, ...]) -> None:
    accepted = {
        "binary": "(n,), (n, 1) or (n, 2)",
        "multiclass": "(n, k) with k >= 2 classes",
        "multilabel": "(n, labels)",
        "regression": "(n,) or (n, targets)",
    }
    width = values.shape[1] if values.ndim == 2 else 0
    wrong_width = (task == "binary" and width > 2) or (
        task == "multiclass" and width < 2
    )
    if width < 1 or wrong_width:
        raise ValueError(
            f"The outputs of a {task} model have the shape {accepted[task]}; given: "
            f"{given}. Change the model's last layer, or give another task."
        )


def _checked(values: np.ndarray, most: float = np.inf) -> np.ndarray:
    """Return probabilities; NaN passes, since the measures tell its cause."""
    with np.errstate(invalid="ignore"):
        outside = (values < -_TOLERANCE) | (values > most + _TOLERANCE)
    if outside.any():
        raise ValueError(
            "Outputs must be probabilities; given: values from "
            f"{np.nanmin(values):.6g} to {np.nanmax(values):.6g}. For a model that "
            "ends without softmax or sigmoid, use from_logits=True."
        )
    return np.clip(values, 0, most)


_TOLERANCE = 1e-3


def _sigmoid(values: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(values)


def _softmax(values: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax(values, axis=1)


def _normalised(values: np.ndarray) -> np.ndarray:
    sums = values.sum(axis=1, keepdims=True)
    # Nothing but zeros says nothing: all classes are equal then.
    equal = np.full_like(values, 1 / values.shape[1])
    return np.divide(values, sums, out=equal, where=sums != 0)
