"""Labels that can be mixed: what mixup and cutmix need of data, model and loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import augment, losses, tasks
from kerasopt.training.head import Head

__all__ = ["LabelMixing", "check_loss", "choose"]


@dataclass(frozen=True)
class LabelMixing:
    """How labels are handed over so that they can be mixed.

    Attributes:
        num_classes: Width of the one-hot rows that labels become, or None if they stay.
        by_weight: Whether a label counts by its sample's weight; not for numbers.
    """

    num_classes: int | None
    by_weight: bool

    def rows(self, labels: Any) -> Any:
        """Return labels in the form that can be mixed: an array, or a tensor of one.

        Example:
            >>> LabelMixing(3, by_weight=True).rows(np.array([2, 0])).tolist()
            [[0, 0, 1], [1, 0, 0]]
        """
        if self.num_classes is None:
            return labels
        if isinstance(labels, np.ndarray):
            # Bytes: there are as many as samples times classes.
            return np.eye(self.num_classes, dtype="uint8")[labels.reshape(-1)]
        classes = tf.cast(tf.reshape(labels, (-1,)), tf.int32)
        return tf.one_hot(classes, self.num_classes)


def choose(
    augmentation: Any,
    batch: tuple[Any, ...],
    *,
    task: tasks.Task | None,
    head: Head,
    num_classes: int,
) -> LabelMixing | None:
    """Return how labels become ones that can be mixed; None if nothing mixes them.

    Args:
        augmentation: What `kerasopt.augment.get` takes.
        batch: Some samples, as `kerasopt.training.batches.Feed.some` gives them.
        task: The task, if there is one.
        head: What the model ends in.
        num_classes: Classes of the data.

    Raises:
        ValueError: if samples, labels or weights can't be mixed.

    Example:
        >>> batch = np.zeros((2, 8, 8, 3), "float32"), np.array([0, 2])
        >>> choose("mixup", batch, task=tasks.get("multiclass"), head=Head(3),
        ...        num_classes=3)
        LabelMixing(num_classes=3, by_weight=True)
    """
    found = augment.get(augmentation)
    if not augment.is_mixing(found):
        return None
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    name = _names(found)
    _check_parts(name, x, y, weights)
    is_whole = not tf.as_dtype(y.dtype).is_floating
    is_column = len(y.shape) == 1 or y.shape[1] == 1
    if task is None:
        if is_whole and is_column:
            raise ValueError(
                f"{name} mixes labels, but without a task whole numbers may be "
                "anything. Give task='multiclass' or 'regression', or labels as floats "
                "or one-hot rows."
            )
        return LabelMixing(None, by_weight=False)
    if task.has_classes and is_column and head.units != 1:
        return LabelMixing(head.units or num_classes, by_weight=True)
    return LabelMixing(None, by_weight=task.name != "regression")


def check_loss(augmentation: Any, loss: Any) -> None:
    """Refuse a loss of whole numbers, which mixed labels aren't.

    Args:
        augmentation: What `kerasopt.augment.get` takes; it mixes labels.
        loss: The loss as an object or function.
    """
    kinds = (
        keras.losses.SparseCategoricalCrossentropy,
        losses.SmoothedSparseCategoricalCrossentropy,
    )
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if isinstance(loss, (dict, list, tuple)):
        raise ValueError(
            f"{_names(augment.get(augmentation))} mixes the labels of one output; "
            f"several losses are given: {loss!r}. Leave the augmentation out."
        )
    if isinstance(loss, kinds) or str(name).startswith("sparse_"):
        raise ValueError(
            f"{_names(augment.get(augmentation))} mixes labels to shares of classes, "
            f"which the loss {str(name)!r} doesn't take. Leave the loss out "
            "(loss='auto'), or give 'categorical_crossentropy': labels are handed over "
            "as one-hot rows."
        )


def _check_parts(name: str, x: Any, y: Any, weights: Any) -> None:
    if y is None:
        raise ValueError(f"{name} mixes labels, and the data have none. Leave it out.")
    if isinstance(x, (dict, tuple, list)) or isinstance(y, (dict, tuple, list)):
        raise ValueError(
            f"{name} mixes one input and one output; the data have several. Leave it "
            "out, or mix in a stream of your own (ko.data.from_stream)."
        )
    if not tf.as_dtype(x.dtype).is_floating:
        raise ValueError(
            f"{name} takes means of samples, and these are "
            f"{tf.as_dtype(x.dtype).name}: indices have no mean. Leave it out."
        )
    if len(y.shape) > 2 or not (
        tf.as_dtype(y.dtype).is_floating
        or tf.as_dtype(y.dtype).is_integer
        or tf.as_dtype(y.dtype).is_bool
    ):
        raise ValueError(
            f"{name} mixes labels of shape (n,) or (n, k); these have the shape "
            f"(n, {', '.join(map(str, y.shape[1:]))}) and type "
            f"{tf.as_dtype(y.dtype).name}. Leave it out."
        )
    if weights is not None and (
        isinstance(weights, (dict, tuple, list)) or len(weights.shape) != 1
    ):
        raise ValueError(
            f"{name} mixes weights of shape (n,), one a sample; given are others. "
            "Leave them or the augmentation out."
        )


def _names(augmentation: Any) -> str:
    mixing = [step for step in augment.steps(augmentation) if augment.is_mixing(step)]
    return " and ".join(dict.fromkeys(type(each).__name__ for each in mixing))
