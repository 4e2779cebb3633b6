"""Datasets from streams, and from whatever `kerasopt.fit` accepts as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data.arrays import converted_pair, cut_validation, dataset_of
from kerasopt.data.checks import as_triple
from kerasopt.data.dataset import Dataset
from kerasopt.data.streams import Stream, is_stream

__all__ = ["as_dataset", "from_stream"]


def from_stream(
    stream: Any,
    *,
    validation: Any = None,
    test: Any = None,
    task: Any = "auto",
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    name: str = "stream",
    allow_test_as_validation: bool = False,
) -> Dataset:
    """Make a dataset of a tf.data pipeline, a PyDataset or a generator function.

    The first batches (up to about 1,000 samples) are read and checked here. From
    their labels the task is inferred; `kerasopt.fit` looks at the model's output,
    too.

    Args:
        stream: Training batches ``(x, y)`` or ``(x, y, sample_weight)``: a batched
            `tf.data.Dataset`, a `keras.utils.PyDataset`, or a function without
            arguments that returns a new iterator at each call.
        validation: Another stream, a pair ``(x, y)`` or triple of arrays, or None.
        test: Likewise.
        task: As for `from_arrays`.
        num_classes: Number of classes, labels or targets; by default as the labels
            of the first batches say.
        class_names: A name for each of them.
        steps_per_epoch: Batches in an epoch; needed for a stream without end.
        validation_steps: Likewise for the validation stream.
        name: Short name of the dataset.
        allow_test_as_validation: Accept test data as validation data.

    Returns:
        The dataset.

    Raises:
        TypeError: if a stream is of another kind.
        ValueError: if it is empty, isn't batched, or its first batches hold NaN,
            vary in rank, or don't fit the task.

    Example:
        >>> import numpy as np
        >>> def batches():
        ...     yield np.zeros((4, 2)), np.array([0, 1, 2, 1])
        >>> data = from_stream(batches)
        >>> data.task.name, data.num_classes, data.sizes["train"]
        ('multiclass', 3, None)
    """
    if validation_steps is not None and (
        validation is None or isinstance(validation, (tuple, list))
    ):
        raise ValueError(
            "validation_steps has no effect without a validation stream: leave it out."
        )
    given = {"train": stream, "validation": validation, "test": test}
    steps = {"train": steps_per_epoch, "validation": validation_steps}
    splits: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for split, value in given.items():
        if value is None and split != "train":
            continue
        if split != "train" and isinstance(value, (tuple, list)):
            arrays[split] = as_triple(value, what=split)
        else:
            splits[split] = as_stream(value, steps=steps.get(split), what=split)
    _refuse_same_stream(splits)
    return dataset_of(
        arrays,
        streams=splits,
        class_names=class_names,
        task=task,
        num_classes=num_classes or 0,
        name=name,
        source="a stream of batches",
        allow_test_as_validation=allow_test_as_validation,
    )


def as_stream(value: Any, *, steps: int | None, what: str) -> Stream:
    """Return a value as a `Stream`; one passes as it is.

    Example:
        >>> as_stream(lambda: iter([]), steps=None, what="train")
        <Stream of Factory: unknown steps>
    """
    if isinstance(value, Stream):
        return value
    return Stream(value, steps=steps, what=what)


def _refuse_same_stream(splits: dict[str, Any]) -> None:
    for first, second in (("validation", "test"), ("train", "test")):
        if first in splits and splits[first] is splits.get(second):
            raise ValueError(
                f"{first} and {second} are the same stream: give each its own data."
            )


def as_dataset(
    data: Any,
    *,
    validation_data: Any = None,
    validation: Any = None,
    sample_weight: Any = None,
    task: Any = "auto",
    class_names: Sequence[str] | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Turn what `kerasopt.fit` accepts as data into a dataset.

    Args:
        data: A `Dataset`; a tuple ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``
            of arrays; or a stream (see `from_stream`).
        validation_data: A pair or triple of arrays, or a stream.
        validation: Number or fraction of the training arrays to cut as validation
            data. By default nothing is cut, as in Keras.
        sample_weight: A weight for each training sample.
        task: As for `from_arrays`.
        class_names: As for `from_arrays`.
        steps_per_epoch: Batches of a stream in an epoch.
        validation_steps: Batches of a validation stream.
        seed: Seed of the validation cut.
        name: Short name; by default "arrays" or "stream".

    Returns:
        The dataset.

    Raises:
        TypeError: if the data are of another kind.
        ValueError: if anything about the data is wrong, or if an argument has no
            effect on this kind of data.

    Example:
        >>> import numpy as np
        >>> as_dataset((np.zeros((4, 2)), [0, 1, 0, 1])).sizes
        {'train': 4, 'validation': 0, 'test': 0}
    """
    if validation_data is not None and validation:
        raise ValueError(
            "validation_data and validation were both given: give the data, or the "
            "share of the training samples to cut."
        )
    held_out = _held_out(validation_data, validation_steps)
    if isinstance(data, (Dataset, tuple)) and steps_per_epoch is not None:
        raise ValueError(
            "steps_per_epoch has no effect on arrays: an epoch is every sample once. "
            "Leave it out, or give a stream."
        )
    if isinstance(data, Dataset):
        whole = _completed(data, held_out, sample_weight, task)
    elif isinstance(data, tuple):
        whole = _of_arrays(data, held_out, sample_weight, task, class_names, name)
    elif is_stream(data):
        if sample_weight is not None:
            raise ValueError(
                "sample_weight has no effect on a stream: give batches "
                "(x, y, sample_weight)."
            )
        whole = from_stream(
            data,
            validation=held_out,
            task=task,
            class_names=class_names,
            steps_per_epoch=steps_per_epoch,
            name=name or "stream",
        )
    else:
        raise TypeError(_unknown_data(data))
    return _cut(whole, validation, seed) if validation else whole


def _held_out(validation_data: Any, steps: int | None) -> Any:
    """Return validation data as a triple of arrays, a stream, or None."""
    if validation_data is None or isinstance(validation_data, Stream):
        return validation_data
    if isinstance(validation_data, (tuple, list)):
        if steps is not None:
            raise ValueError(
                "validation_steps has no effect on arrays: every validation sample is "
                "used once. Leave it out."
            )
        if len(validation_data) == 1:  # As (x,) of the training: no labels.
            return validation_data[0], None, None
        return as_triple(validation_data, what="validation_data")
    is_one = np.isscalar(checks.plain(validation_data))
    without_labels = isinstance(validation_data, (Dataset, Mapping))
    if is_one or without_labels or hasattr(validation_data, "shape"):
        alone = f"a {type(validation_data).__name__} alone"
        raise checks.ArgumentTypeError(
            "validation_data must be (x, y), (x, y, sample_weight) or a stream; given: "
            f"{checks.shown(validation_data) if is_one else alone}. "
            "from_arrays(x, y, validation=0.2) of kerasopt.data cuts a share."
        )
    return as_stream(validation_data, steps=steps, what="validation_data")


def _of_arrays(
    data: tuple[Any, ...],
    held_out: Any,
    sample_weight: Any,
    task: Any,
    class_names: Sequence[str] | None,
    name: str | None,
) -> Dataset:
    if len(data) not in (1, 2, 3):
        raise TypeError(
            f"The data are a tuple of {len(data)}. Accepted: (x,), (x, y) or (x, y, "
            "sample_weight); several inputs are a tuple of their own, ((a, b), y)."
        )
    x, y, weights = (*data, None, None)[:3]
    if weights is not None and sample_weight is not None:
        raise ValueError(
            "Sample weights were given twice, in (x, y, sample_weight) and as "
            "sample_weight=: give them once."
        )
    given = {"train": (x, y, sample_weight if weights is None else weights)}
    is_arrays = isinstance(held_out, tuple)
    return dataset_of(
        {**given, "validation": held_out} if is_arrays else given,
        streams={} if is_arrays or held_out is None else {"validation": held_out},
        class_names=class_names,
        task=task,
        name=name or "arrays",
    )


def _completed(data: Dataset, held_out: Any, sample_weight: Any, task: Any) -> Dataset:
    """Return a dataset with validation data, training weights and a task as given."""
    changes: dict[str, Any] = {}
    weights: dict[str, Any] = {}
    if held_out is not None:
        if data.validation is not None:
            raise ValueError(
                "The dataset has validation data already; validation_data was given, "
                "too. Leave one of the two out: data.replace(validation=None)."
            )
        changes["validation"], weights["validation"] = held_out, None
        if isinstance(held_out, tuple):
            *pair, weights["validation"] = held_out
            changes["validation"] = converted_pair(*pair, like=data)
    if sample_weight is not None:
        weights["train"] = sample_weight
    if weights:
        changes["weights"] = {**data.weights, **weights}
    if task != "auto":
        changes["task"] = task
    return data.replace(**changes) if changes else data


def _cut(whole: Dataset, validation: Any, seed: int) -> Dataset:
    if isinstance(whole.train, Stream):
        raise ValueError(
            "validation= cuts arrays; nothing can be cut from a stream. Give another "
            "stream or arrays as validation_data."
        )
    if whole.validation is not None:
        raise ValueError(
            "The dataset has validation data already; validation= would cut more. "
            "Leave it out."
        )
    return cut_validation(whole, validation=validation, seed=seed)


def _unknown_data(data: Any) -> str:
    hint = ""
    if isinstance(data, list):
        hint = " Give a tuple (x, y) instead of a list."
    elif hasattr(data, "shape") or isinstance(data, dict):
        hint = " Give the labels, too: (x, y). Without labels: (x,)."
    elif hasattr(data, "__iter__"):
        hint = " Of an iterable give a function that makes it: lambda: iter(loader)."
    return (
        f"The data are a {type(data).__name__}.{hint} Accepted: a kerasopt Dataset, a "
        "tuple (x, y) or (x, y, sample_weight) of arrays, a batched tf.data.Dataset, a "
        "keras.utils.PyDataset, or a function that returns an iterator of batches."
    )
