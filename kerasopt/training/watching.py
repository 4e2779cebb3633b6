"""What callbacks and early stopping watch must be logged, by names of its own."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from kerasopt.data import Dataset

__all__ = ["check_callbacks", "check_metric_names", "check_monitor"]

OWN_COLUMNS = ("epoch", "learning_rate", "seconds")
"""Columns of each log, besides loss and metrics."""

GETS_LOGS = ("on_epoch_end", "on_train_batch_end", "on_batch_end", "on_test_end")
"""Methods that are handed a dict which ends up in the logs."""


def check_metric_names(model: keras.Model) -> None:
    """Refuse metrics by the names of the log's own columns, the loss's included."""
    inner = [getattr(each, "metrics", None) or [each] for each in model.metrics]
    names = [each.name for group in inner for each in group]
    taken = [name for name in names if name.startswith("val_")]
    if names.count("loss") > 1:
        taken.append("loss")
    for name in taken:
        raise ValueError(
            f"A metric has the name {name!r}, under which the log has another value: "
            "give it another one (name=…)."
        )
    for name in model.get_metrics_result():
        if name in OWN_COLUMNS:
            raise ValueError(
                f"A metric has the name {name!r}, which the log needs itself: give it "
                "another one (name=…)."
            )


def check_callbacks(
    callbacks: Iterable[keras.callbacks.Callback], model: keras.Model, dataset: Dataset
) -> None:
    """Refuse a callback of Keras or kerasopt that watches what isn't logged.

    Callbacks of the user's that get logs, and a ``train_step``, may log whatever they
    like; Keras then needs a ``mode``, since it knows its own metrics only.
    """
    callbacks = list(callbacks)
    if type(model).train_step is not keras.Model.train_step:
        return
    may_be_added = any(map(_may_log, callbacks))
    logged = ["loss", *model.get_metrics_result()]
    if dataset.validation is not None:
        logged += [f"val_{name}" for name in logged]
    logged = [*dict.fromkeys(logged), "learning_rate"]
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if not getattr(callback, "save_best_only", True):
            continue  # A ModelCheckpoint that keeps every epoch.
        if _is_users(callback) or not isinstance(monitor, str) or monitor in logged:
            continue
        if may_be_added and getattr(callback, "mode", None) in ("min", "max"):
            continue
        way = (
            " If a callback logs it, give mode='min' or 'max'." if may_be_added else ""
        )
        raise ValueError(
            f"{type(callback).__name__} watches {monitor!r}, which isn't logged. "
            f"Logged are: {', '.join(map(repr, logged))}. Watch one of these, or add "
            f"it with metrics=[…] or validation data.{way}"
        )


def _may_log(callback: keras.callbacks.Callback) -> bool:
    """Say whether a callback of the user's gets the logs, to which it may add."""
    if isinstance(callback, keras.callbacks.LambdaCallback):
        return True
    return _is_users(callback) and any(
        not keras.src.utils.is_default(getattr(callback, name)) for name in GETS_LOGS
    )


def _is_users(callback: keras.callbacks.Callback) -> bool:
    return not type(callback).__module__.startswith(("keras.", "kerasopt."))


def check_monitor(model: keras.Model, monitor: str, patience: int | None) -> str:
    """Return whether the watched value should fall or rise: ``"min"`` or ``"max"``.

    Raises:
        ValueError: if no metric of that name is logged.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> check_monitor(model, "val_loss", 3)
        'min'
    """
    name = monitor.removeprefix("val_")
    # Of several outputs each has a loss, which Keras names by the first batch.
    several = len(getattr(model, "outputs", None) or (0, 0)) > 1
    if patience is None or name == "loss" or (several and name.endswith("_loss")):
        return "min"
    logged = model.get_metrics_result()
    if name not in logged and type(model).train_step is keras.Model.train_step:
        names = [*logged, *(f"val_{each}" for each in logged)]
        raise ValueError(
            f"training.monitor={monitor!r} isn't logged. Logged are: "
            f"{', '.join(repr(each) for each in names)}. Add it with metrics=[…], or "
            "watch one of these."
        )
    return "min" if _falls(model, name) else "max"


def _falls(model: keras.Model, name: str) -> bool:
    for group in model.metrics:
        for metric in getattr(group, "metrics", [group]):
            if metric.name == name and hasattr(metric, "_direction"):
                return metric._direction == "down"
    errors = ("loss", "error", "mae", "mse", "rmse", "mape", "msle", "divergence")
    return any(part in name for part in errors)
