"""A dataset from the user's own arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data.checks import as_triple
from kerasopt.data.conversion import convert_labels, convert_samples
from kerasopt.data.dataset import Dataset
from kerasopt.data.frames import by_name, column_names, target_names, targets_by_name
from kerasopt.data.splits import random_split, resolve_size, stratified_split
from kerasopt.data.streams import Stream
from kerasopt.data.structure import count, lists_as_tuples, take

__all__ = ["cut_validation", "from_arrays"]


def from_arrays(
    x: Any,
    y: Any = None,
    *,
    test: Any = None,
    validation: Any = 0.1,
    sample_weight: Any = None,
    task: Any = "auto",
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
    name: str = "arrays",
    allow_test_as_validation: bool = False,
) -> Dataset:
    """Make a dataset of arrays, lists, tensors or data frames.

    Shapes and integer dtypes stay as they are, with one exception: images of whole
    numbers in 0..255 are stored as uint8, and grey ones of shape
    ``(n, height, width)`` get a channel axis. Other floats and bools become
    float32. Labels may be names: they are numbered in sorted order, or in the order
    of `class_names`. Columns of a data frame are converted one by one.

    Args:
        x: Training samples, shape (n, ...), or a dict, tuple or list of such arrays
            for a model of several inputs.
        y: Training labels or targets: see `kerasopt.tasks`. Also a dict or tuple of
            arrays for several outputs, or None.
        test: Pair ``(x, y)``, triple ``(x, y, sample_weight)``, or the number or
            fraction of the samples to cut (stratified where samples have one class
            each, else at random); 0 or None for none.
        validation: The same, cut from what the test part leaves.
        sample_weight: A weight for each training sample, shape (n,), 0 or larger.
        task: "binary", "multiclass", "multilabel", "regression", "auto" (as the
            labels say), or None: no checks of labels, the loss decides.
        num_classes: Number of classes, labels or targets; by default as the labels
            say.
        class_names: A name for each of them.
        seed: Seed of the cuts.
        name: Short name of the dataset.
        allow_test_as_validation: Accept test data as validation data.

    Returns:
        The dataset.

    Raises:
        ValueError: if anything about the arrays is wrong.

    Example:
        >>> x = np.arange(40.0).reshape(20, 2)
        >>> data = from_arrays(x, ["cat", "dog"] * 10, validation=4)
        >>> data
        <Dataset 'arrays': train 16, validation 4, test 0; (2,) float32; 2 classes>
        >>> data.task.name, data.class_names
        ('binary', ('cat', 'dog'))
    """
    given = {"train": (x, y, sample_weight)}
    sizes: dict[str, Any] = {}
    for split, part in (("test", test), ("validation", validation)):
        if np.isscalar(checks.plain(part)):
            sizes[split] = part
        elif part is not None:
            given[split] = as_triple(part, what=split)
    whole = dataset_of(
        given,
        task=task,
        num_classes=_check_num_classes(num_classes),
        class_names=class_names,
        name=name,
        allow_test_as_validation=allow_test_as_validation,
    )
    for split, size in sizes.items():
        whole = _cut(whole, split, size=size, seed=seed)
    return whole


def dataset_of(
    splits: Mapping[str, tuple[Any, Any, Any]],
    *,
    streams: Mapping[str, Stream] | None = None,
    class_names: Sequence[str] | None = None,
    **arguments: Any,
) -> Dataset:
    """Convert triples and make a dataset of them.

    Args:
        splits: ``(x, y, sample_weight)`` of each split that is arrays.
        streams: The splits that are streams.
        class_names: As for `from_arrays`.
        arguments: More arguments of `Dataset`.

    Returns:
        The checked dataset.

    Example:
        >>> dataset_of({"train": ([[1], [2]], ["a", "b"], None)}).class_names
        ('a', 'b')
    """
    names = checks.class_names(class_names)
    pairs: dict[str, Any] = dict(streams or {})
    if "train" in splits:
        arguments["feature_names"] = column_names(splits["train"][0])
    if splits:
        splits = {
            split: (*lists_as_tuples(x, y), weights)
            for split, (x, y, weights) in splits.items()
        }
        features = convert_samples({split: part[0] for split, part in splits.items()})
        labels, found = convert_labels(
            {split: parts[1] for split, parts in splits.items()}, names
        )
        _, first, _ = next(iter(splits.values()))  # Train may be a stream.
        if found not in (names, target_names(first)):
            _refuse_texts_as_numbers(arguments.get("task"))
        names = found
        pairs |= {split: (features[split], labels[split]) for split in splits}
    weights = {split: parts[2] for split, parts in splits.items()}
    return Dataset(**pairs, class_names=names, weights=weights, **arguments)


def _refuse_texts_as_numbers(task: Any) -> None:
    name = getattr(task, "name", task)
    if name in ("multilabel", "regression"):
        raise ValueError(
            f"y holds texts, and task={name!r} predicts numbers. Give numbers, as in "
            "y.astype(float), or leave the task out: texts name classes."
        )


def converted_pair(x: Any, y: Any, *, like: Dataset) -> tuple[Any, Any]:
    """Convert a pair that joins a dataset as its validation data.

    Args:
        x: The samples.
        y: The labels; names of classes become numbers.
        like: The dataset.

    Example:
        >>> data = from_arrays([[1.0], [2.0]], ["a", "b"], validation=0)
        >>> converted_pair([[1.0]], ["b"], like=data)[1]
        array([1])
    """
    x, y = lists_as_tuples(x, y)
    x = by_name(x, like.feature_names, what="validation x")
    y = targets_by_name(y, like.class_names)
    features = convert_samples({"validation": x})
    labels, _ = convert_labels({"validation": y}, like.class_names)
    return features["validation"], labels["validation"]


def cut_validation(dataset: Dataset, *, validation: Any, seed: int) -> Dataset:
    """Cut validation samples from the training samples of a dataset.

    Args:
        dataset: A dataset without validation data.
        validation: Number or fraction of samples to cut; of classes a fraction
            gives at least one sample each.
        seed: Seed of the cut. It is stratified where each sample has one class.

    Returns:
        A dataset with validation data, or the same one if the number is 0.

    Raises:
        ValueError: if the cut is too large or leaves a class empty.

    Example:
        >>> whole = Dataset(train=(np.eye(8), [0, 1] * 4))
        >>> cut_validation(whole, validation=0.25, seed=0).sizes
        {'train': 6, 'validation': 2, 'test': 0}
    """
    return _cut(dataset, "validation", size=validation, seed=seed)


def _cut(dataset: Dataset, split: str, *, size: Any, seed: int) -> Dataset:
    """Cut a part from the training samples: as many as a number or fraction says."""
    total = count(dataset.train) or 0
    stratified = dataset.task is not None and dataset.task.has_classes
    number = resolve_size(
        size,
        total=total,
        what=split,
        minimum=dataset.num_classes if stratified else 1,
    )
    if not number:
        return dataset
    try:
        if stratified:
            rest, cut = stratified_split(dataset.train[1], number, seed)
        else:
            rest, cut = random_split(total, number, seed)
    except ValueError as error:
        raise ValueError(f"{split}={size}: {error}") from error
    return _split_train(dataset, {"train": rest, split: cut})


def _split_train(dataset: Dataset, rows_of: Mapping[str, np.ndarray]) -> Dataset:
    """Return the dataset with rows of train as train and as another part."""
    train, weights, paths = dataset.train, dataset.weights["train"], dataset.paths
    changes: dict[str, Any] = {
        split: (take(train[0], rows), take(train[1], rows))
        for split, rows in rows_of.items()
    }
    if weights is not None:
        parts = {split: weights[rows] for split, rows in rows_of.items()}
        changes["weights"] = {**dataset.weights, **parts}
    if "train" in paths:
        names = np.asarray(paths["train"], dtype=object)
        parts = {split: tuple(names[rows]) for split, rows in rows_of.items()}
        changes["paths"] = {**paths, **parts}
    return dataset._with(**changes)


def _check_num_classes(num_classes: Any) -> int:
    if num_classes is None:
        return 0
    if num_classes == 0:
        raise ValueError("num_classes=0: classification needs at least 2 classes.")
    return num_classes
