"""What `kerasopt.tuning.advise_settings` measures, on data and model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasopt import models, tasks
from kerasopt.data import Dataset, pipeline

__all__ = ["Facts", "measure", "measure_model", "task_of"]

Facts = dict[str, Any]

FLOPS_PER_SECOND = 2e11
"""Of float32 products on the slower machine of docs/fast-cifar10.md."""


def measure(dataset: Dataset, seed: int) -> Facts:
    """Return what is known of the data, all of it from training samples.

    Args:
        dataset: The data.
        seed: Draws the samples, where there are more than 5,000.

    Example:
        >>> import kerasopt as ko
        >>> measure(ko.data.load("digits"), seed=0)["colours"]
        'grey'
    """
    x, y = dataset.train
    some = _some(x, seed)
    facts: Facts = {
        "kind": "images" if x.ndim == 4 else "vectors",
        "input_shape": dataset.input_shape,
        "dtype": str(x.dtype),
        "samples": len(x),
        "num_classes": dataset.num_classes,
        **_measure_labels(dataset, y),
        "share_of_zeros": float(np.mean(some == 0)),
    }
    axes = tuple(range(some.ndim - 1))
    means, deviations = some.mean(axes), some.std(axes)
    if facts["kind"] == "images":
        grey = some.shape[-1] == 1 or bool(np.all(some == some[..., :1]))
        photo = some.shape[-1] == 3 and not grey
        facts["colours"] = "colour" if photo else "grey" if grey else "other"
        facts["channel_means"] = np.round(means.astype(float), 4).tolist()
        facts["channel_deviations"] = np.round(deviations.astype(float), 4).tolist()
    else:
        varying = deviations[deviations > 0]
        facts["constant_features"] = len(deviations) - len(varying)
        facts["smallest_deviation"] = float(varying.min(initial=np.inf))
        facts["largest_deviation"] = float(varying.max(initial=0.0))
        facts["largest_mean"] = float(np.abs(means).max())
    return facts


def task_of(dataset: Dataset) -> tasks.Task:
    """Return the dataset's task; class labels are all that an older one has."""
    return tasks.get(getattr(dataset, "task", None) or "multiclass")


def _measure_labels(dataset: Dataset, y: np.ndarray) -> Facts:
    task = task_of(dataset)
    if task.name == "regression":
        return {
            "task": task.name,
            "target_mean": float(np.abs(y.mean(axis=0)).max()),
            "target_deviation": float(y.std(axis=0).max()),
        }
    counts = np.bincount(y, minlength=dataset.num_classes) if y.ndim == 1 else y.sum(0)
    return {
        "task": task.name,
        "largest_class": int(counts.max()),
        "smallest_class": int(counts.min()),
    }


def _some(x: np.ndarray, seed: int) -> np.ndarray:
    """Return some samples as the model sees them; few of very long vectors."""
    count = min(len(x), 5_000, max(100, 20_000_000 // math.prod(x.shape[1:])))
    rows = np.random.default_rng(seed).choice(len(x), count, replace=False)
    return pipeline.some_samples(x[np.sort(rows)])


def measure_model(dataset: Dataset, facts: Facts, spec: dict[str, Any]) -> None:
    """Add a model's size, and the time that its products take, to the facts.

    Args:
        dataset: What the model is built for.
        facts: They are changed.
        spec: What `kerasopt.models.get` takes.
    """
    shape = {"input_shape": dataset.input_shape, "num_classes": dataset.num_classes}
    model = models.get({**shape, **spec}, task=task_of(dataset))
    flops = models.training_flops(model)
    facts["parameters"] = model.count_params()
    facts["samples_per_parameter"] = facts["samples"] / facts["parameters"]
    facts["training_flops_per_sample"] = flops
    facts["product_seconds_per_epoch"] = facts["samples"] * flops / FLOPS_PER_SECOND
