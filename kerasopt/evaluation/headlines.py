"""The measure that stands for a result or a run, such as accuracy or RMSE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kerasopt import tasks

__all__ = ["Headline", "of_run", "shown"]


class Headline(NamedTuple):
    """The measure that stands for a result.

    Attributes:
        name: Such as ``"accuracy"``.
        value: None where it is undefined.
        interval: Its confidence interval, or None where there is none.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None


def of_run(
    metrics: Mapping[str, Any], task: str | tasks.Task | None = None
) -> str | None:
    """Return the name of a run's headline measure.

    Args:
        metrics: What was measured; ``"task"`` among it counts if no task is given.
        task: A name or a `kerasopt.tasks.Task`, or None.

    Returns:
        The task's headline. Without a task that which was measured, ``"loss"`` where
        it is the only one, and None for no measure at all.

    Example:
        >>> of_run({"test_rmse": 1.2}), of_run({"test_loss": 0.3}), of_run({})
        ('rmse', 'loss', None)
    """
    known = task or metrics.get("task")
    if known:
        return tasks.get(known).headline
    names = dict.fromkeys(tasks.get(name).headline for name in tasks.names())
    for name in (*names, "loss"):
        if f"test_{name}" in metrics or f"val_{name}" in metrics:
            return name
    return None


def shown(metrics: Mapping[str, Any], headline: str) -> str:
    """Return a run's headline in a few characters: of the test, else of validation.

    Args:
        metrics: What was measured.
        headline: Such as ``"accuracy"``.

    Example:
        >>> shown({"val_accuracy": 0.9, "test_accuracy": 0.8}, "accuracy")
        'test_accuracy=0.8000'
        >>> shown({"val_accuracy": 0.9, "test_accuracy": None}, "accuracy")
        'val_accuracy=0.9000'
        >>> shown({}, "accuracy")
        'nothing measured'
    """
    for name in (f"test_{headline}", f"val_{headline}"):
        if metrics.get(name) is not None:
            return f"{name}={metrics[name]:.4f}"
    return "nothing measured"
