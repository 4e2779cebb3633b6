"""Labels and targets: checked by task, names of classes turned into numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data.checks import as_array, check_finite, is_missing
from kerasopt.data.structure import map_leaves
from kerasopt.tasks import SOFT_LABEL_TOLERANCE, Task

__all__ = [
    "check_classes_in_train",
    "check_labels",
    "check_targets",
    "classes_without_samples",
    "count_classes",
    "number_names",
]

_SHOWN = 20


def check_targets(y: Any, *, what: str, task: Task | None, num_classes: int) -> Any:
    """Check the labels or targets of one split.

    Args:
        y: What `Task` says of its labels. Without a task any numbers, also a
            dict or tuple of arrays, or None.
        what: How messages call them (``"train y"``).
        task: The task, or None.
        num_classes: Number of classes, labels or targets; 0 without a task.

    Returns:
        int64 class numbers, or float32 (soft labels, multilabel, regression).

    Raises:
        ValueError: if they don't fit.

    Example:
        >>> from kerasopt import tasks
        >>> regression = tasks.get("regression")
        >>> check_targets([1, 5], what="train y", task=regression, num_classes=1)
        array([1., 5.], dtype=float32)
    """
    if task is None:
        return map_leaves(lambda array: _check_numbers(array, what=what), y)
    if task.has_classes:
        return check_labels(y, what=what, num_classes=num_classes)
    array = _check_numbers(y, what=what)
    if array.ndim > 2 or (array.shape[1] if array.ndim == 2 else 1) != num_classes:
        kind = "labels" if task.name == "multilabel" else "targets"
        raise ValueError(
            f"{what} has the shape {array.shape}, but there are {num_classes} {kind}. "
            f"Accepted for {task.name}: shape (n, {num_classes})"
            + (" or (n,)." if num_classes == 1 else ".")
        )
    array = array.astype(np.float32, copy=False)
    if task.name == "multilabel" and ((array < 0) | (array > 1)).any():
        raise ValueError(
            f"{what} has values from {array.min():g} to {array.max():g}. Multilabel "
            "rows say 1 for each label that a sample has and 0 for the others."
        )
    return array


def _check_numbers(y: Any, *, what: str) -> np.ndarray:
    array = as_array(y, what=what)
    if array.dtype.kind not in "buif" or not array.ndim:
        raise ValueError(
            f"{what} has the shape {array.shape} and dtype {array.dtype}. Accepted: "
            "numbers, one row for each sample."
        )
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    check_finite(array, what=what)
    return array


def check_labels(y: Any, *, what: str, num_classes: int) -> np.ndarray:
    """Check the labels of one split for classification.

    Args:
        y: Whole numbers ``(n,)`` or ``(n, 1)`` in ``0..num_classes - 1``, or
            one-hot or soft labels ``(n, num_classes)`` whose rows sum to 1.
        what: How messages call them (``"train y"``).
        num_classes: Number of classes.

    Returns:
        int64 of rank 1, or float32 of rank 2.

    Raises:
        ValueError: on another shape or type, or a label out of range.

    Example:
        >>> check_labels([[0], [2]], what="train y", num_classes=3)
        array([0, 2])
    """
    array = as_array(y, what=what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        return _check_one_hot(array, what=what, num_classes=num_classes)
    if array.dtype.kind == "f":
        check_finite(array, what=what)
    whole = array.dtype.kind in "bui" or (
        array.dtype.kind == "f" and bool((array == np.round(array)).all())
    )
    if array.ndim != 1 or not whole:
        raise ValueError(
            f"{what} has shape {array.shape} and dtype {array.dtype}. Accepted: "
            "integer labels (n,), or one-hot labels (n, num_classes). Names of "
            "classes: kerasopt.data.from_arrays maps them. Numbers to predict: "
            "task='regression'."
        )
    bad = (array < 0) | (array >= num_classes)
    if bad.any():
        index = int(bad.argmax())
        raise ValueError(
            f"{what} has {int(bad.sum()):,} labels outside 0..{num_classes - 1}; "
            f"the first is {array[index]:g} at index {index}. "
            f"{_hint(array, num_classes)}"
        )
    return array.astype(np.int64)


def _hint(labels: np.ndarray, num_classes: int) -> str:
    """Return how to mend labels that are out of range."""
    values = np.unique(labels)
    if values.tolist() == [-1, 1]:
        return "The labels are -1 and 1: use (y + 1) // 2."
    if values[0] >= 1 and values[-1] == num_classes:
        return "The labels start at 1: subtract 1 (y - 1)."
    if values[0] < 0:
        return (
            "Labels count from 0. Drop samples whose negative label means that it is "
            "unknown, or number the classes: numpy.unique(y, return_inverse=True)[1]."
        )
    return (
        "Labels count from 0: subtract 1 from labels that count from 1, or raise "
        f"num_classes (given: {num_classes})."
    )


def _check_one_hot(array: np.ndarray, *, what: str, num_classes: int) -> np.ndarray:
    if array.shape[1] != num_classes:
        raise ValueError(
            f"{what} has shape {array.shape}, but there are {num_classes} classes. "
            f"One-hot labels have the shape (n, {num_classes})."
        )
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must hold numbers; given: dtype {array.dtype}. "
            "Accepted: integer labels (n,), or one-hot labels (n, num_classes)."
        )
    array = array.astype(np.float32)
    check_finite(array, what=what)
    sums = array.sum(axis=1)
    bad = (np.abs(sums - 1) > SOFT_LABEL_TOLERANCE) | (array < 0).any(axis=1)
    if bad.any():
        index = int(bad.argmax())
        raise ValueError(
            f"{what} has {int(bad.sum()):,} rows that don't sum to 1: row "
            f"{index} sums to {sums[index]:g}. One-hot and soft labels are not "
            "negative and each row sums to 1. Several labels a sample: "
            "task='multilabel'."
        )
    return array


def count_classes(labels: Sequence[Any], *, class_names: Sequence[str]) -> int:
    """Find the number of classes that the names, or else the labels, imply.

    Args:
        labels: The labels of each split, training first.
        class_names: One name a class, or empty.

    Returns:
        The number of classes.

    Raises:
        ValueError: if integer labels leave gaps, so that their number isn't
            certain.

    Example:
        >>> count_classes([[0, 1, 2, 1]], class_names=())
        3
    """
    if class_names:
        return len(class_names)
    arrays = [as_array(y, what="y") for y in labels]
    if arrays[0].ndim == 2 and arrays[0].shape[1] > 1:
        return int(arrays[0].shape[1])
    present = _present_numbers(arrays)
    if not len(present):
        return 2
    refuse_one_class(arrays)
    count = int(present[-1]) + 1
    if present[0] >= 0 and len(present) < count:
        raise ValueError(_gap(present, count))
    return max(count, 2)


def refuse_one_class(labels: Sequence[Any]) -> None:
    """Refuse labels that are all the same number.

    Args:
        labels: The labels of each split, (n,) or (n, 1).

    Raises:
        ValueError: if there is one class.

    Example:
        >>> refuse_one_class([[0, 1]])
        >>> refuse_one_class([[0, 0]])
        Traceback (most recent call last):
        ...
        ValueError: y has one class: every label is 0. Classification needs at least \
2 classes. Numbers to predict: task='regression'. If a class is meant to be empty: \
kerasopt.data.from_arrays(x, y, num_classes=2).
    """
    present = _present_numbers([as_array(y, what="y") for y in labels])
    if len(present) == 1:
        raise ValueError(
            f"y has one class: every label is {present[0]}. Classification needs at "
            "least 2 classes. Numbers to predict: task='regression'. If a class is "
            "meant to be empty: kerasopt.data.from_arrays(x, y, "
            f"num_classes={max(2, int(present[0]) + 1)})."
        )


def _present_numbers(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the numbers that labels have; none if `check_labels` will refuse them."""
    numbers = [a.ravel() for a in arrays if a.dtype.kind in "buif" and a.size]
    if not numbers:
        return np.empty(0, np.int64)
    present = np.unique(np.concatenate(numbers))
    if present.dtype.kind == "f":
        present = present.astype(np.float64)
        whole = (present == np.round(present)) & (np.abs(present) < 2.0**53)
        if not whole.all():
            return np.empty(0, np.int64)
    return present.astype(np.int64)


def _gap(present: np.ndarray, count: int) -> str:
    missing = int(np.flatnonzero(present != np.arange(len(present)))[0])
    from_one = present[0] == 1 and len(present) == count - 1
    advice = (
        "The labels start at 1: subtract 1 (y - 1)."
        if from_one
        else "Numbers to predict: give task='regression'."
    )
    return (
        f"The labels run from {present[0]} to {present[-1]}, but no sample has "
        f"the label {missing}. Labels count from 0 without gaps. {advice} "
        "If a class is meant to be empty: kerasopt.data.from_arrays(x, y, "
        f"num_classes={count})."
    )


def check_classes_in_train(
    labels: Mapping[str, np.ndarray], *, class_names: Sequence[str]
) -> None:
    """Refuse classes that validation or test data have and training data lack.

    Args:
        labels: Class numbers (n,) or shares (n, classes) of each split.
        class_names: A name for each class.

    Raises:
        ValueError: with the names of the classes.

    Example:
        >>> labels = {"train": np.array([0, 0]), "test": np.array([0, 1])}
        >>> check_classes_in_train(labels, class_names=("cat", "dog"))
        Traceback (most recent call last):
        ...
        ValueError: The class 'dog' has samples in test but none in train, so that \
it can't be learned. Add training samples of it, or remove it from test.
    """
    known = _present(labels["train"], len(class_names))
    for split, y in labels.items():
        missing = np.flatnonzero(_present(y, len(class_names)) & ~known)
        if not len(missing):
            continue
        names = ", ".join(repr(class_names[index]) for index in missing[:_SHOWN])
        several = len(missing) > 1
        raise ValueError(
            f"The class{'es' if several else ''} {names} {'have' if several else 'has'}"
            f" samples in {split} but none in train, so that "
            f"{'they' if several else 'it'} can't be learned. Add training samples of "
            f"{'them' if several else 'it'}, or remove "
            f"{'them' if several else 'it'} from {split}."
        )


def classes_without_samples(y: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Return the names of the classes that no label has.

    Example:
        >>> classes_without_samples(np.array([0, 0]), ("cat", "dog"))
        ['dog']
    """
    missing = np.flatnonzero(~_present(y, len(class_names)))
    return [class_names[int(index)] for index in missing]


def _present(y: np.ndarray, num_classes: int) -> np.ndarray:
    if y.ndim == 2:
        return np.asarray(y.any(axis=0))
    return np.bincount(y, minlength=num_classes).astype(bool)


def number_names(
    arrays: Mapping[str, Any], class_names: Sequence[str] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Replace names of classes by their numbers.

    Args:
        arrays: Labels of each split, the training labels first; other labels than
            names pass as they are.
        class_names: The names in the order of their numbers; by default sorted.

    Returns:
        The labels of each split, and the names.

    Raises:
        ValueError: if a split has labels that aren't classes, or mixes names with
            other values.

    Example:
        >>> labels, names = number_names({"train": np.array(["b", "a"])}, None)
        >>> labels["train"].tolist(), names
        ([1, 0], ('a', 'b'))
    """
    names = checks.class_names(class_names)
    first, *_ = arrays.values()
    if first.dtype.kind not in "OUST":
        return dict(arrays), names
    texts = {split: _as_names(a, what=f"{split} y") for split, a in arrays.items()}
    if all(isinstance(v, int) for labels in texts.values() for v in labels):
        return {split: np.array(v) for split, v in texts.items()}, names
    names = names or tuple(sorted({str(label) for label in next(iter(texts.values()))}))
    if len(names) < 2:
        raise ValueError(
            f"train y has one class, {names[0]!r}: classification needs at least 2 "
            "classes."
        )
    numbers = {label: number for number, label in enumerate(names)}
    numbered = {}
    for split, labels in texts.items():
        if empty := [i for i, label in enumerate(labels) if is_missing(label)]:
            raise ValueError(
                f"{split} y has {len(empty):,} empty labels; the first, "
                f"{labels[empty[0]]!r}, is at index {empty[0]}. Drop these rows, or "
                "name their class."
            )
        strangers = [label for label in labels if label not in numbers]
        if strangers:
            raise ValueError(
                f"{split} y has {len(strangers):,} labels that aren't classes; the "
                f"first is {strangers[0]!r}. Classes: {', '.join(names[:_SHOWN])}."
            )
        numbered[split] = np.array([numbers[str(v)] for v in labels], dtype=np.int64)
    return numbered, names


def _decoded(label: bytes, what: str) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"{what} has the label {label!r}, which isn't UTF-8. Decode the labels, as "
            "in numpy.char.decode(y, 'latin-1')."
        ) from None


def _as_names(array: np.ndarray, *, what: str) -> list[Any]:
    """Return labels that are all text, or all whole numbers."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    labels = array.tolist()
    if array.ndim == 1:
        labels = [_decoded(v, what) if isinstance(v, bytes) else v for v in labels]
        for kind in (str, int):
            if all(isinstance(label, kind) for label in labels):
                return labels
        index = next(i for i, v in enumerate(labels) if not isinstance(v, str))
        raise ValueError(
            f"{what} mixes names with other values; the first other one is "
            f"{labels[index]!r} at index {index}. Give names only or integers "
            "only, and fill or drop missing labels."
        )
    raise ValueError(f"{what} has shape {array.shape}; names need the shape (n,).")
