"""Metrics by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerasopt import checks, tasks
from kerasopt import names as lookups
from kerasopt.metrics.adapted import Adapted
from kerasopt.metrics.scores import CurveArea, DecisionScore, TargetScore

__all__ = ["get", "names"]

_OF_CLASSES = ("accuracy", "auc", "pr_auc", "precision", "recall", "f1", "log_loss")
_NAMES = {
    "binary": _OF_CLASSES,
    "multiclass": (*_OF_CLASSES, "top_5_accuracy"),
    "multilabel": _OF_CLASSES,
    "regression": ("mae", "mse", "rmse", "r2"),
}
_ALIASES = {
    "acc": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "roc_auc": "auc",
    "average_precision": "pr_auc",
    "f1_score": "f1",
    "cross_entropy": "log_loss",
    "crossentropy": "log_loss",
    "ce": "log_loss",
    "bce": "log_loss",
    "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss",
    "sparse_categorical_crossentropy": "log_loss",
    "top_k_categorical_accuracy": "top_5_accuracy",
    "sparse_top_k_categorical_accuracy": "top_5_accuracy",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
}
# Keras resolves these by the shapes that it sees in the first batch.
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")
_TOP_K = re.compile(r"top_(\d+)_accuracy")


def names(task: str | tasks.Task | None = None) -> list[str]:
    """Return the names of the metrics of a task.

    Any k is accepted in ``"top_5_accuracy"``, and the names of Keras's metrics
    besides.

    Args:
        task: A name or a `kerasopt.tasks.Task`; those of all tasks by default.

    Example:
        >>> names("regression")
        ['mae', 'mse', 'rmse', 'r2']
    """
    if task is None:
        return list(dict.fromkeys(name for own in _NAMES.values() for name in own))
    return list(_NAMES[tasks.get(task).name])


def get(
    spec: Any,
    *,
    task: str | tasks.Task | None,
    num_outputs: int | None,
    sparse: bool = True,
    from_logits: bool = False,
) -> Any:
    """Return the Keras metric of a name; a list or dict of names gives the same.

    ======================  ==========================================================
    name                    measures
    ======================  ==========================================================
    ``accuracy``            share of right classes; for multilabel, of right labels
    ``auc``, ``pr_auc``     area under the ROC curve; average precision
    ``precision``,          of class 1 for binary
    ``recall``, ``f1``
    ``log_loss``            cross-entropy in nats, also called ``cross_entropy``
    ``top_5_accuracy``      share of samples whose class is among the 5 most probable
    ``mae``, ``mse``,       errors of a regression; for classifiers, of probabilities
    ``rmse``
    ``r2``                  share of the targets' variance that is explained
    ======================  ==========================================================

    For multiclass and multilabel, ``auc``, ``pr_auc``, ``precision``, ``recall`` and
    ``f1`` are macro averages: means over the classes (each against the rest) or
    labels. With several targets ``rmse`` and ``r2`` are means over the targets.

    Args:
        spec: A name, a `keras.metrics.Metric` (returned as it is), a function of
            labels and outputs, or a list of these. For several outputs (no task) also
            a dict, or a list of lists.
        task: A name, a `kerasopt.tasks.Task`, or None, where Keras's metrics are used
            as they are.
        num_outputs: Width of the model's output; 2 for a binary classifier with two
            softmax classes. 1 by default for binary and regression.
        sparse: Whether labels are integers rather than one-hot rows.
        from_logits: Whether the model ends without softmax or sigmoid.

    Returns:
        A `keras.metrics.Metric` that is logged under the given name. Without a task,
        ``"accuracy"`` and ``"crossentropy"`` stay names, which Keras resolves.

    Raises:
        ValueError: if a name is unknown, doesn't fit the task, or is given twice.
        TypeError: if a metric is something else.

    Example:
        >>> metric = get("auc", task="binary", num_outputs=1)
        >>> metric.update_state([0, 1, 1], [[0.2], [0.1], [0.9]])
        >>> metric.name, float(metric.result())
        ('auc', 0.5)
    """
    form = _Form.of(task, num_outputs, sparse, from_logits)
    return _resolved(spec, form)


@dataclass(frozen=True)
class _Form:
    """The form of labels and outputs that a metric has to deal with."""

    task: str | None
    num_outputs: int
    sparse: bool
    from_logits: bool

    @classmethod
    def of(
        cls,
        task: str | tasks.Task | None,
        num_outputs: int | None,
        sparse: bool,
        from_logits: bool,
    ) -> _Form:
        name = None if task is None else tasks.get(task).name
        if num_outputs is None and name in ("multiclass", "multilabel"):
            raise ValueError(
                f"Metrics of the task {name!r} need num_outputs, the width of the "
                "model's output; given: None."
            )
        width = checks.integer("num_outputs", num_outputs or 1)
        if name == "binary" and width > 2:
            raise ValueError(
                "A binary model has 1 or 2 outputs; given: "
                f"num_outputs={num_outputs}. For more classes use the task "
                "'multiclass'."
            )
        return cls(name, width, bool(sparse), bool(from_logits))

    @property
    def columns(self) -> int:
        """Number of columns of probabilities that are measured."""
        return 1 if self.task == "binary" else self.num_outputs

    @property
    def one_class(self) -> bool:
        """Whether the outputs are one probability for each of several classes."""
        return self.task in ("binary", "multiclass") and self.num_outputs > 1

    def adapt(self, metric: keras.metrics.Metric, name: str, **keep: bool) -> Adapted:
        """Return the metric fed with the form that it takes."""
        return Adapted(
            metric,
            task=self.task or "",
            num_outputs=self.num_outputs,
            sparse=self.sparse,
            from_logits=self.from_logits,
            name=name,
            **keep,
        )


def _resolved(spec: Any, form: _Form) -> Any:
    if isinstance(spec, Mapping) and form.task is None:
        return {name: _resolved(own, form) for name, own in spec.items()}
    if isinstance(spec, list | tuple):
        found = [_resolved(own, form) for own in spec]
        _check_different(found)
        return found
    return _get(spec, form)


def _get(spec: Any, form: _Form) -> Any:
    if isinstance(spec, keras.metrics.Metric):
        return spec
    if isinstance(spec, type) and issubclass(spec, keras.metrics.Metric):
        return spec()
    if isinstance(spec, str):
        return _without_task(spec) if form.task is None else _by_name(spec, form)
    if callable(spec):
        name = getattr(spec, "__name__", type(spec).__name__)
        return keras.metrics.MeanMetricWrapper(spec, name=name)
    raise TypeError(
        "A metric must be a name, a keras.metrics.Metric or a function of "
        f"(y_true, y_pred); given: {spec!r}."
    )


def _check_different(found: list[Any]) -> None:
    given = [
        metric if isinstance(metric, str) else metric.name
        for metric in found
        if isinstance(metric, str | keras.metrics.Metric)
    ]
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise ValueError(
            f"Metrics must differ in name; given more than once: {', '.join(twice)}."
        )


def _snake(name: str) -> str:
    """Return ``F1Score`` as ``f1_score``; all capitals stay one word."""
    name = name.strip()
    if not name.isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return lookups.normalize(name)


def _by_name(given: str, form: _Form) -> keras.metrics.Metric:
    assert form.task is not None
    name = _snake(given)
    own = _ALIASES.get(name, name)
    top = _TOP_K.fullmatch(own)
    if top and form.task == "multiclass":
        return form.adapt(
            _top_k(int(top[1]), form), name, keep_labels=True, keep_predictions=True
        )
    if own in _NAMES[form.task] or own in ("mae", "mse", "rmse"):
        return _BUILDERS[own](name, form)
    if top or own in names():
        raise ValueError(
            f"The metric {given!r} doesn't fit the task {form.task!r}. Accepted: "
            f"{', '.join(_NAMES[form.task])}, the name of another Keras metric, a "
            "keras.metrics.Metric or a function."
        )
    sparse = name.startswith("sparse_")
    return form.adapt(
        _of_keras(given, name, form.task),
        name,
        keep_labels=sparse,
        keep_predictions=sparse or name.endswith("hinge"),
    )


def _without_task(given: str) -> Any:
    name = _snake(given)
    if name in _BY_SHAPE:
        return name
    of_keras = {"rmse": "root_mean_squared_error", "r2": "r2_score", "f1": "f1_score"}
    found = _of_keras(given, of_keras.get(name, name), None)
    # Objects of Keras may add a number to repeated names.
    return type(found).from_config({**found.get_config(), "name": name})


def _of_keras(given: str, name: str, task: str | None) -> keras.metrics.Metric:
    try:
        found = keras.metrics.get(name)
    except ValueError:
        error = lookups.unknown("metric", given, names(task))
        raise ValueError(
            f"{error} Names of Keras's metrics, keras.metrics.Metric objects and "
            "functions are accepted, too."
        ) from None
    except TypeError:
        raise ValueError(
            f"The metric {given!r} has arguments that must be given; pass the object, "
            "such as keras.metrics.PrecisionAtRecall(0.9)."
        ) from None
    if isinstance(found, keras.metrics.Metric):
        return found
    return keras.metrics.MeanMetricWrapper(found, name=name)


def _accuracy(name: str, form: _Form) -> keras.metrics.Metric:
    if not form.one_class:
        return form.adapt(keras.metrics.BinaryAccuracy(), name, hard_labels=True)
    if form.sparse:
        return keras.metrics.SparseCategoricalAccuracy(name=name)
    return keras.metrics.CategoricalAccuracy(name=name)


def _log_loss(name: str, form: _Form) -> keras.metrics.Metric:
    kind = keras.metrics.BinaryCrossentropy
    if form.one_class:
        kind = (
            keras.metrics.SparseCategoricalCrossentropy
            if form.sparse
            else keras.metrics.CategoricalCrossentropy
        )
    # On the logits themselves, whose logarithms need no clipping.
    return form.adapt(
        kind(from_logits=form.from_logits),
        name,
        keep_labels=form.one_class,
        keep_predictions=True,
    )


def _top_k(k: int, form: _Form) -> keras.metrics.Metric:
    if not 1 <= k < form.num_outputs:
        raise ValueError(
            f"top_{k}_accuracy of {form.num_outputs} classes is always "
            f"{int(k >= 1)}; choose a number from 1 to {form.num_outputs - 1}."
        )
    if form.sparse:
        return keras.metrics.SparseTopKCategoricalAccuracy(k)
    return keras.metrics.TopKCategoricalAccuracy(k)


def _area(score: str) -> Callable[[str, _Form], keras.metrics.Metric]:
    return lambda name, form: form.adapt(CurveArea(score, form.columns), name)


def _decision(score: str) -> Callable[[str, _Form], keras.metrics.Metric]:
    return lambda name, form: form.adapt(
        DecisionScore(score, form.columns, exclusive=form.task == "multiclass"), name
    )


def _target(score: str) -> Callable[[str, _Form], keras.metrics.Metric]:
    return lambda name, form: form.adapt(TargetScore(score, form.columns), name)


_BUILDERS: dict[str, Callable[[str, _Form], keras.metrics.Metric]] = {
    "accuracy": _accuracy,
    "log_loss": _log_loss,
    **{score: _area(score) for score in ("auc", "pr_auc")},
    **{score: _decision(score) for score in ("precision", "recall", "f1")},
    **{score: _target(score) for score in ("rmse", "r2")},
    "mae": lambda name, form: form.adapt(keras.metrics.MeanAbsoluteError(), name),
    "mse": lambda name, form: form.adapt(keras.metrics.MeanSquaredError(), name),
}
