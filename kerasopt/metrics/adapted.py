"""Metrics of probabilities for models that return something else."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasopt import checks, tasks

__all__ = ["Adapted"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Adapted(keras.metrics.Metric):
    """Give a metric labels and predictions of the form that it takes.

    ==============  =================================  ===============================
    task            labels for the metric              predictions for the metric
    ==============  =================================  ===============================
    ``binary``      0 or 1, (batch, 1)                 probability of class 1,
                                                       (batch, 1)
    ``multiclass``  one-hot rows, (batch, k)           probabilities, (batch, k)
    ``multilabel``  0 or 1 for each label, (batch, k)  probabilities, (batch, k)
    ``regression``  numbers, (batch, targets)          numbers, (batch, targets)
    ==============  =================================  ===============================

    Args:
        metric: The metric.
        task: A name or a `kerasopt.tasks.Task`.
        num_outputs: Width of the model's output.
        sparse: Whether labels are integers of shape (batch,) or (batch, 1) rather
            than one-hot or soft rows. Soft rows count as their largest share.
        from_logits: Whether the model ends without softmax or sigmoid.
        keep_labels: Leave the labels as they are.
        keep_predictions: Leave the predictions as they are, but cast to float32.
        hard_labels: Count shares of 0 and 1, as mixup makes them, as the nearer one.
        name: As in Keras; the metric's own by default.
        dtype: As in Keras.

    Example:
        >>> metric = Adapted(keras.metrics.BinaryAccuracy(), task="binary",
        ...                  num_outputs=2, sparse=True, from_logits=True)
        >>> metric.update_state([1, 0], [[-1.0, 2.0], [0.5, 0.0]])
        >>> float(metric.result())
        1.0
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        *,
        task: str | tasks.Task,
        num_outputs: int,
        sparse: bool,
        from_logits: bool = False,
        keep_labels: bool = False,
        keep_predictions: bool = False,
        hard_labels: bool = False,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        checks.instance("metric", metric, keras.metrics.Metric, "a Keras metric")
        super().__init__(name=name or metric.name, dtype=dtype)
        self.metric = metric
        self.task = tasks.get(task).name
        self.num_outputs = num_outputs
        self.sparse = sparse
        self.from_logits = from_logits
        self.keep_labels = keep_labels
        self.keep_predictions = keep_predictions
        self.hard_labels = hard_labels

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Pass a batch of labels and model outputs to the metric."""
        y_true = ops.convert_to_tensor(y_true)
        # In half precision a logarithm has two digits.
        y_pred = ops.cast(y_pred, "float32")
        if not self.keep_labels:
            y_true = self._labels(y_true)
        if not self.keep_predictions:
            y_pred = self._predictions(y_pred)
        if sample_weight is not None:
            sample_weight = ops.reshape(sample_weight, (-1,))
        return self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def result(self) -> Any:
        """Return the metric's result."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Reset the metric."""
        self.metric.reset_state()

    def _labels(self, labels: Any) -> Any:
        # A single column holds integers, whatever was said.
        rows = not self.sparse and len(labels.shape) > 1 and labels.shape[-1] != 1
        if self.task == "multiclass":
            if rows:
                labels = ops.argmax(labels, axis=-1)
            classes = ops.cast(ops.reshape(labels, (-1,)), "int32")
            return ops.one_hot(classes, self.num_outputs)
        if self.task == "binary" and rows:
            labels = labels[:, 1:] > labels[:, :1]
        if self.hard_labels:
            labels = ops.cast(labels, "float32") > 0.5
        width = 1 if self.task == "binary" else self.num_outputs
        return ops.reshape(ops.cast(labels, "float32"), (-1, width))

    def _predictions(self, outputs: Any) -> Any:
        if len(outputs.shape) == 1:
            outputs = outputs[:, None]
        if self.task == "regression":
            return outputs
        if self.task == "multilabel" or self.num_outputs == 1:
            return ops.sigmoid(outputs) if self.from_logits else outputs
        if self.from_logits:
            shares = ops.softmax(outputs, axis=-1)
        else:
            # Several sigmoids don't sum to 1; Keras's cross-entropies divide, too.
            total = ops.sum(outputs, axis=-1, keepdims=True)
            shares = ops.divide_no_nan(outputs, total)
        return shares[:, 1:] if self.task == "binary" else shares

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            **super().get_config(),
            "metric": keras.saving.serialize_keras_object(self.metric),
            "task": self.task,
            "num_outputs": self.num_outputs,
            "sparse": self.sparse,
            "from_logits": self.from_logits,
            "keep_labels": self.keep_labels,
            "keep_predictions": self.keep_predictions,
            "hard_labels": self.hard_labels,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Adapted:
        """Make the metric from its arguments."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(**{**config, "metric": metric})
