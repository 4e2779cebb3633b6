"""The loss that fits the task, the labels and the model's output.

``get("auto", ...)`` chooses:

==============  ===================  ==============================================
task            model output         loss
==============  ===================  ==============================================
``binary``      one sigmoid          `keras.losses.BinaryCrossentropy`
``binary``      two softmax classes  as ``multiclass``
``multiclass``  k softmax classes    sparse cross-entropy for integer labels,
                                     categorical cross-entropy for one-hot rows
``multilabel``  k sigmoids           `keras.losses.BinaryCrossentropy`
``regression``  one linear a target  `keras.losses.MeanSquaredError`
==============  ===================  ==============================================

Each cross-entropy takes logits with ``from_logits=True``.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasopt import names as lookups
from kerasopt import tasks

__all__ = [
    "SmoothedSparseCategoricalCrossentropy",
    "for_labels",
    "for_task",
    "get",
    "names",
]

_SHORT_NAMES = ("bce", "kld", "mae", "mape", "mse", "msle")


def names() -> list[str]:
    """Return the accepted names: ``"auto"`` and the names of Keras's losses.

    Example:
        >>> [name in names() for name in ("auto", "huber", "mse", "dice")]
        [True, True, True, True]
    """
    return ["auto", *_keras_names()]


def get(
    spec: str | Any | None,
    *,
    labels: Any = None,
    task: str | tasks.Task | None = None,
    num_outputs: int | None = None,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Any:
    """Return a loss; ``"auto"`` chooses the usual loss of the task.

    Args:
        spec: ``"auto"`` or None, a Keras name, a `keras.losses.Loss`, or a function
            of labels and outputs. Objects and functions are returned as they are.
            For several outputs a dict or list of these, without ``"auto"``.
        labels: The training labels; their rank tells integers from one-hot rows.
        task: A name or a `kerasopt.tasks.Task`. Without a task, ``"auto"`` chooses
            a categorical cross-entropy.
        num_outputs: Width of the model's output. It matters for ``"binary"``, where
            2 takes the losses of ``"multiclass"``. The default is 1 for ``"binary"``
            labels of shape (n,).
        from_logits: Whether the model ends without softmax or sigmoid. It also
            applies to a cross-entropy that is given by name.
        label_smoothing: Share of the target spread over all classes, in [0, 1).
            Only with ``"auto"``, and not for regression.

    Returns:
        A `keras.losses.Loss`, or the function that Keras has under a name; a dict or
        list of them for such a ``spec``.

    Raises:
        ValueError: if the name is unknown, no loss fits the labels, neither labels
            nor task is given with ``"auto"``, or smoothing can't be applied.
        TypeError: if ``spec`` is something else.

    Example:
        >>> get("auto", labels=[0, 2, 1]).name
        'sparse_categorical_crossentropy'
        >>> get("auto", task="binary", from_logits=True).name
        'binary_crossentropy'
        >>> get("binary_crossentropy", from_logits=True).get_config()["from_logits"]
        True
    """
    _check_smoothing(label_smoothing)
    if spec is None or (isinstance(spec, str) and spec == "auto"):
        return _automatic(labels, task, num_outputs, from_logits, label_smoothing)
    if label_smoothing:
        raise ValueError(
            "label_smoothing works with loss='auto' only. For another loss, set its "
            "own label_smoothing, as in keras.losses.CategoricalCrossentropy("
            f"label_smoothing=0.1). Given: loss={spec!r}, "
            f"label_smoothing={label_smoothing!r}."
        )
    if isinstance(spec, str):
        return _by_name(spec, from_logits=from_logits)
    if isinstance(spec, Mapping):
        return {name: _of_output(own) for name, own in spec.items()}
    if isinstance(spec, list | tuple):
        return [_of_output(own) for own in spec]
    if isinstance(spec, type) or not callable(spec):
        raise TypeError(
            "loss must be 'auto', a name, a keras.losses.Loss or a function of "
            f"(y_true, y_pred); given: {spec!r}."
        )
    return spec


def for_labels(
    labels: Any, *, label_smoothing: float = 0.0, from_logits: bool = False
) -> keras.losses.Loss:
    """Choose the categorical cross-entropy by the labels' shape.

    Integers of shape (n,) or (n, 1) take the sparse form, one-hot rows of shape
    (n, classes) the categorical one.

    Args:
        labels: Integers or one-hot rows.
        label_smoothing: In [0, 1).
        from_logits: Whether the model ends without softmax.

    Returns:
        The loss.

    Raises:
        ValueError: if the labels have another shape or the smoothing is out of
            range.

    Example:
        >>> for_labels([[0.0, 1.0], [1.0, 0.0]]).name
        'categorical_crossentropy'
    """
    _check_smoothing(label_smoothing)
    shape = np.shape(labels)
    if _is_one_column(shape):
        if label_smoothing:
            return SmoothedSparseCategoricalCrossentropy(
                label_smoothing, from_logits=from_logits
            )
        return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    if len(shape) == 2:
        return keras.losses.CategoricalCrossentropy(
            label_smoothing=label_smoothing, from_logits=from_logits
        )
    raise ValueError(
        "Labels must be integers of shape (n,) or one-hot rows of shape "
        f"(n, classes); given: shape {shape}. For images or sequences as targets "
        "name a loss, such as loss='mse'."
    )


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
    return get("auto", task=task)


@keras.saving.register_keras_serializable(package="kerasopt")
class SmoothedSparseCategoricalCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, which Keras lacks.

    The target of class c out of K is ``(1 - a) * onehot(c) + a / K``.

    Args:
        label_smoothing: The a above, in [0, 1).
        reduction: As in Keras.
        name: As in Keras.
        from_logits: Whether the predictions are logits.

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
        from_logits: bool = False,
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.label_smoothing = label_smoothing
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one loss a sample, shape (batch,)."""
        y_pred = ops.convert_to_tensor(y_pred)
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        targets = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            targets,
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"label_smoothing must lie in [0, 1); given {label_smoothing!r}."
        )


def _is_one_column(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _automatic(
    labels: Any,
    task: str | tasks.Task | None,
    num_outputs: int | None,
    from_logits: bool,
    label_smoothing: float,
) -> keras.losses.Loss:
    smoothing: dict[str, Any] = {
        "label_smoothing": label_smoothing,
        "from_logits": from_logits,
    }
    if task is None:
        if labels is None:
            raise ValueError(
                "loss='auto' needs the labels or the task; give labels=, task=, or a "
                f"loss by name. Accepted tasks: {', '.join(tasks.names())}."
            )
        return for_labels(labels, **smoothing)
    name = tasks.get(task).name
    if name == "regression":
        return _for_regression(label_smoothing)
    if name == "multilabel" or (name == "binary" and num_outputs in (None, 1)):
        _check_binary_labels(name, labels)
        return keras.losses.BinaryCrossentropy(**smoothing)
    return for_labels([0] if labels is None else labels, **smoothing)


def _for_regression(label_smoothing: float) -> keras.losses.Loss:
    if label_smoothing:
        raise ValueError(
            "label_smoothing spreads a label over classes, and regression has none; "
            f"leave it out. Given: label_smoothing={label_smoothing!r}."
        )
    return keras.losses.MeanSquaredError()


def _check_binary_labels(task: str, labels: Any) -> None:
    if task != "binary" or labels is None or _is_one_column(np.shape(labels)):
        return
    raise ValueError(
        "A binary model with one output needs labels 0 or 1 of shape (n,); given: "
        f"shape {np.shape(labels)}. Pass y[:, 1] for one-hot rows, or end the model "
        "in two softmax classes (num_outputs=2)."
    )


def _of_output(spec: Any) -> Any:
    """Return the loss of one of several outputs; None trains nothing there."""
    if spec == "auto":
        raise ValueError(
            "loss='auto' chooses the loss of a single output; with several outputs "
            "give each its loss by name."
        )
    return None if spec is None else get(spec)


def _by_name(name: str, *, from_logits: bool) -> Any:
    try:
        found = keras.losses.get(name)
    except ValueError:
        raise lookups.unknown("loss", name, names()) from None
    if not from_logits:
        return found
    own_name = found.name if isinstance(found, keras.losses.Loss) else found.__name__
    of_logits = _classes_with_logits().get(own_name)
    return found if of_logits is None else of_logits(from_logits=True)


@functools.cache
def _classes_with_logits() -> dict[str, type[keras.losses.Loss]]:
    """Return Keras's losses that have an argument ``from_logits``, by name."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): found
        for name, found in vars(keras.losses).items()
        if isinstance(found, type)
        and "from_logits" in inspect.signature(found).parameters
    }


@functools.cache
def _keras_names() -> tuple[str, ...]:
    functions = [
        name
        for name, found in vars(keras.losses).items()
        if inspect.isfunction(found) and "y_true" in inspect.signature(found).parameters
    ]
    return tuple(filter(_is_known, sorted([*functions, *_SHORT_NAMES])))


def _is_known(name: str) -> bool:
    # Keras exports a few losses that its own lookup doesn't have.
    try:
        keras.losses.get(name)
    except ValueError:
        return False
    return True
