"""The loss that fits the labels: integers or one-hot, with label smoothing."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasopt import names

__all__ = ["SmoothedSparseCategoricalCrossentropy", "for_labels", "for_task", "get"]


def get(
    spec: str | keras.losses.Loss | None,
    *,
    labels: Any,
    label_smoothing: float = 0.0,
) -> keras.losses.Loss:
    """Return a Keras loss; ``"auto"`` chooses it from the labels.

    Args:
        spec: ``"auto"`` or None, a Keras name, or a loss (returned as it is).
        labels: The training labels; their rank decides.
        label_smoothing: Share of the target spread over all classes, in [0, 1).
            Only with ``"auto"``.

    Returns:
        A `keras.losses.Loss`.

    Raises:
        ValueError: if the name is unknown, the labels have no matching loss, or
            smoothing comes with a loss that was chosen by hand.

    Example:
        >>> get("auto", labels=[0, 2, 1]).name
        'sparse_categorical_crossentropy'
    """
    if spec is None or spec == "auto":
        return for_labels(labels, label_smoothing=label_smoothing)
    if label_smoothing:
        raise ValueError(
            "label_smoothing works with loss='auto'; with a loss of your own, "
            f"smooth there. Given: loss={spec!r}, label_smoothing={label_smoothing!r}."
        )
    if isinstance(spec, str):
        try:
            return keras.losses.get(spec)
        except ValueError:
            choices = ["auto", *_keras_loss_names()]
            raise names.unknown("loss", spec, choices) from None
    return spec


def for_labels(labels: Any, *, label_smoothing: float = 0.0) -> keras.losses.Loss:
    """Choose the cross-entropy by the labels' shape.

    Integers of shape (n,) or (n, 1) take the sparse form, one-hot rows of shape
    (n, classes) the categorical one.

    Args:
        labels: Integers or one-hot rows.
        label_smoothing: In [0, 1).

    Raises:
        ValueError: if the labels have another shape or the smoothing is out of
            range.

    Example:
        >>> for_labels([[0.0, 1.0], [1.0, 0.0]]).name
        'categorical_crossentropy'
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"label_smoothing must lie in [0, 1); given {label_smoothing!r}."
        )
    shape = np.shape(labels)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        if label_smoothing:
            return SmoothedSparseCategoricalCrossentropy(label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy()
    if len(shape) == 2:
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    raise ValueError(
        "Labels must be integers of shape (n,) or one-hot rows of shape "
        f"(n, classes); given: shape {shape}."
    )


_TASKS = {
    "regression": keras.losses.MeanSquaredError,
    "binary": keras.losses.BinaryCrossentropy,
    "multiclass": keras.losses.SparseCategoricalCrossentropy,
    "multilabel": keras.losses.BinaryCrossentropy,
}


def for_task(task: str) -> keras.losses.Loss:
    """Return the usual loss of a task.

    ======================  ====================================  ===================
    task                    loss                                  last activation
    ======================  ====================================  ===================
    ``"regression"``        mean squared error, mean((y - p)²)    none
    ``"binary"``            log loss, -y ln p - (1 - y) ln(1-p)   sigmoid, 1 unit
    ``"multiclass"``        cross-entropy, -ln p of the class     softmax
    ``"multilabel"``        log loss of each label                sigmoid, n units
    ======================  ====================================  ===================

    Binary cross-entropy and log loss are two names of one thing. For multiclass the
    labels are integers; `for_labels` also takes one-hot rows.

    Args:
        task: One of the four.

    Raises:
        ValueError: if it is none of them.

    Example:
        >>> for_task("regression").name
        'mean_squared_error'
    """
    if task not in _TASKS:
        raise names.unknown("task", task, _TASKS)
    return _TASKS[task]()


@keras.saving.register_keras_serializable(package="kerasopt")
class SmoothedSparseCategoricalCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, which Keras lacks.

    The target of class c out of K is ``(1 - a) * onehot(c) + a / K``.

    Args:
        label_smoothing: The a above, in [0, 1).
        reduction: As in Keras.
        name: As in Keras.

    Example:
        >>> loss = SmoothedSparseCategoricalCrossentropy(0.1)
        >>> round(float(loss([1], [[0.25, 0.75]])), 4)
        0.3426

    References:
        Szegedy et al. (2016), https://arxiv.org/abs/1512.00567, section 7.
    """

    def __init__(
        self,
        label_smoothing: float = 0.1,
        reduction: str = "sum_over_batch_size",
        name: str = "smoothed_sparse_categorical_crossentropy",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one loss a sample, shape (batch,)."""
        y_pred = ops.convert_to_tensor(y_pred)
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        targets = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            targets, y_pred, label_smoothing=self.label_smoothing
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def _keras_loss_names() -> list[str]:
    return [
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "binary_crossentropy",
        "categorical_focal_crossentropy",
        "mean_squared_error",
        "mean_absolute_error",
        "kl_divergence",
    ]
