"""The weight of each class in a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasopt import checks, names
from kerasopt.data import Dataset, Stream
from kerasopt.data.splits import class_indices

__all__ = ["class_weights"]


def class_weights(dataset: Dataset, given: Any) -> np.ndarray | None:
    """Return the weight of each class, or None.

    Args:
        dataset: Its training labels count.
        given: None, {class: weight} (1 for classes that it leaves out), or
            ``"balanced"``: n / (classes * samples of the class), as in scikit-learn.

    Raises:
        ValueError: if the task has no classes, or a weight doesn't fit.
    """
    if given is None:
        return None
    task = dataset.task
    if task is None or not task.has_classes:
        kind = "several outputs" if task is None else task.name
        raise ValueError(
            f"class_weight is for tasks with one class a sample, not for {kind}: give "
            "sample_weight instead."
        )
    if isinstance(given, str) and given == "balanced":
        if isinstance(dataset.train, Stream):
            raise ValueError(
                "class_weight='balanced' has to count the classes, which a stream "
                "doesn't tell: give {class: weight}."
            )
        classes = class_indices(dataset.train[1]).astype(int)
        counts = np.bincount(classes, minlength=dataset.num_classes)
        weights = counts.sum() / (dataset.num_classes * np.maximum(counts, 1))
        return weights.astype("float32")
    if not isinstance(given, Mapping):
        raise ValueError(
            f"class_weight must be 'balanced' or {{class: weight}}; given: {given!r}."
        )
    weights = np.ones(dataset.num_classes, "float32")
    for name, weight in given.items():
        weights[_class_number(name, dataset)] = checks.non_negative(
            f"class_weight[{name!r}]", weight
        )
    if not weights.any():
        raise ValueError("class_weight is 0 for each class: nothing would be learned.")
    return weights


def _class_number(name: Any, dataset: Dataset) -> int:
    if name in dataset.class_names:
        return dataset.class_names.index(name)
    number = isinstance(name, (int, np.integer)) and not isinstance(name, bool)
    if number and 0 <= name < dataset.num_classes:
        return int(name)
    raise names.unknown("class of class_weight", str(name), dataset.class_names)
