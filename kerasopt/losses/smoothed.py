"""Label smoothing of integer labels, which Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasopt import checks

__all__ = ["SmoothedSparseCategoricalCrossentropy"]


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
        self.label_smoothing = checks.fraction("label_smoothing", label_smoothing)
        self.from_logits = checks.boolean("from_logits", from_logits)

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
