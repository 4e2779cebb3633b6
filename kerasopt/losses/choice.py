"""The loss that fits the task, the labels and the model's output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasopt import checks, tasks
from kerasopt import names as lookups
from kerasopt.losses.named import by_name, is_spec
from kerasopt.losses.smoothed import SmoothedSparseCategoricalCrossentropy

__all__ = ["for_labels", "for_task", "get"]


def get(
    spec: str | Mapping[str, Any] | Any | None,
    *,
    labels: Any = None,
    task: str | tasks.Task | None = None,
    num_outputs: int | None = None,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    **arguments: Any,
) -> Any:
    """Return a loss; ``"auto"`` chooses the usual loss of the task.

    Args:
        spec: ``"auto"`` or None, a Keras name, a dict with ``name`` and arguments
            (``{"name": "huber", "delta": 2.0}``), a `keras.losses.Loss`, or a function
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
        **arguments: Arguments of the Keras class, for a name; they win over the dict's.

    Returns:
        A `keras.losses.Loss`, or the function that Keras has under a name; a dict or
        list of them for such a ``spec``.

    Raises:
        ValueError: if the name or an argument is unknown or out of its range, no loss
            fits the labels, neither labels nor task is given with ``"auto"``, or
            smoothing can't be applied.
        TypeError: if ``spec`` is something else.

    Example:
        >>> get("auto", labels=[0, 2, 1]).name
        'sparse_categorical_crossentropy'
        >>> get("auto", task="binary", from_logits=True).name
        'binary_crossentropy'
        >>> get("binary_crossentropy", from_logits=True).get_config()["from_logits"]
        True
        >>> float(get({"name": "huber", "delta": 2.0})([0.0], [4.0]))
        6.0
    """
    label_smoothing = checks.fraction("label_smoothing", label_smoothing)
    checks.boolean("from_logits", from_logits)
    if isinstance(spec, Mapping) and is_spec(spec):
        name, own = lookups.split_spec("loss", spec)
        spec, arguments = name, {**own, **arguments}
    if arguments and (not isinstance(spec, str) or spec == "auto"):
        raise ValueError(
            f"Arguments go with the name of a loss, not with {checks.shown(spec)}; "
            f"given: {sorted(arguments)}."
        )
    if spec is None or (isinstance(spec, str) and spec == "auto"):
        return _automatic(labels, task, num_outputs, from_logits, label_smoothing)
    if label_smoothing:
        raise ValueError(
            "label_smoothing works with loss='auto' only. For another loss, set its "
            "own label_smoothing, as in {'name': 'categorical_crossentropy', "
            f"'label_smoothing': 0.1}}. Given: loss={checks.shown(spec)}, "
            f"label_smoothing={label_smoothing!r}."
        )
    if isinstance(spec, str):
        return by_name(spec, arguments, from_logits=from_logits)
    if isinstance(spec, Mapping):
        return {name: _of_output(own) for name, own in spec.items()}
    if isinstance(spec, list | tuple):
        return [_of_output(own) for own in spec]
    if isinstance(spec, type) or not callable(spec):
        raise checks.ArgumentTypeError(
            "loss must be 'auto', a name, a keras.losses.Loss or a function of "
            f"(y_true, y_pred); given: {checks.shown(spec)}."
            + lookups.way_to_call(spec)
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
    label_smoothing = checks.fraction("label_smoothing", label_smoothing)
    checks.boolean("from_logits", from_logits)
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
