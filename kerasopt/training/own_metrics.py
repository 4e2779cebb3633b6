"""The metrics that a training was asked for, measured on other data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasopt import evaluation, metrics
from kerasopt.training import new_data, placement

if TYPE_CHECKING:
    from kerasopt.training.run import Run

__all__ = ["added"]


def added(run: Run, data: Any, result: evaluation.Result) -> dict[str, Any]:
    """Return a result's measures with the metrics of the training, ``metrics=[…]``.

    A metric that was given as an object belongs to the trained model in memory: a run
    that was loaded from its folder measures those that have a name.

    Args:
        run: The run.
        data: What was measured, as `Run.evaluate` takes it.
        result: Its result.
    """
    found = result.to_dict()
    for name in run.recipe.get("metrics") or []:
        # Objects are recorded by their class, with its module.
        if isinstance(name, str) and "." not in name and name not in found:
            found[name] = _of_result(name, run, result)
    compiled = placement.compile_arguments(run.model).get("metrics")
    lacking = set(map(_name, keras.tree.flatten(compiled))) - found.keys() - {None}
    if lacking:
        batches = new_data.scaled(data, run._checked, run._scale_of)
        logged = run.model.evaluate(batches, verbose=0, return_dict=True)
        found |= {name: float(logged[name]) for name in lacking & logged.keys()}
    return found


def _of_result(name: str, run: Run, result: evaluation.Result) -> float:
    if isinstance(result, evaluation.Regression):
        y, predictions = result.targets, result.predictions
    else:
        y, predictions = result.labels, result.probabilities
    metric = metrics.get(
        name, task=run.task, num_outputs=predictions.shape[1], sparse=y.ndim == 1
    )
    metric.update_state(y, predictions, sample_weight=result.weights)
    return float(np.asarray(metric.result()))


def _name(metric: Any) -> str | None:
    if metric is None or isinstance(metric, str):
        return metric
    return getattr(metric, "name", None) or getattr(metric, "__name__", None)
