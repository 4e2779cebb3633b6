"""What the labels of a dataset mean: its task, and how many classes with what names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasopt import checks, tasks
from kerasopt.data.checks import as_array
from kerasopt.data.labels import count_classes, refuse_one_class
from kerasopt.data.structure import is_nested
from kerasopt.tasks import Task

__all__ = ["Meaning", "check_num_classes", "find_meaning"]

_MOST_CLASSES = 1_000_000
"""More names than these wouldn't fit in memory."""


@dataclass(frozen=True)
class Meaning:
    """The task of labels.

    Attributes:
        task: The task, or None if the loss decides.
        num_classes: Number of classes, labels or targets; 0 without a task.
        class_names: A name for each of them.
    """

    task: Task | None
    num_classes: int
    class_names: tuple[str, ...]


def find_meaning(
    labels: Mapping[str, Any],
    *,
    task: Any = "auto",
    num_classes: Any = 0,
    class_names: Sequence[str] = (),
    exact: bool = True,
) -> Meaning:
    """Find task, number and names of classes from labels and what was given.

    Args:
        labels: Labels of each split, with "train" among them.
        task: Name of a task, a `Task`, "auto" or None.
        num_classes: Their number; 0 infers it.
        class_names: Their names; empty for "0", "1", ...
        exact: Whether the labels are all there are. Of a stream only the first ones
            are known, so a gap in their numbers says nothing.

    Returns:
        The meaning.

    Raises:
        ValueError: if numbers, names and labels don't fit.

    Example:
        >>> find_meaning({"train": [0, 1, 1]}).task.name
        'binary'
        >>> find_meaning({"train": [0.5, 1.5]}).class_names
        ('target',)
    """
    names = checks.class_names(class_names)
    check_num_classes(num_classes)
    train = labels["train"]
    chosen = _choose_task(train, task, int(num_classes), len(names))
    if chosen is None:
        return Meaning(None, 0, ())
    number = int(num_classes) or _count(labels, chosen, names, exact=exact)
    _check_names(chosen, names, number)
    return Meaning(chosen, number, names or _default_names(chosen, number))


def _choose_task(y: Any, task: Any, number: int, num_names: int) -> Task | None:
    if task is None or y is None or is_nested(y):
        if isinstance(task, (str, Task)) and task != "auto":
            given = "None" if y is None else f"a {type(y).__name__} of arrays"
            raise ValueError(
                f"task={getattr(task, 'name', task)!r} needs labels in one array; "
                f"train y is {given}. Leave task out: the loss decides then."
            )
        return None
    if not isinstance(task, str) or task != "auto":
        return tasks.get(task)
    return _infer(as_array(y, what="train y"), number, num_names)


def _infer(y: np.ndarray, number: int, num_names: int) -> Task | None:
    """Infer a task; several classes that were given say that it has some."""
    if y.dtype.kind not in "buif":
        return tasks.get("multiclass")
    if y.ndim > 2 or not y.ndim:
        return tasks.get("multiclass") if number or num_names else None
    inferred = tasks.infer(y)
    given = number or num_names
    if not given or inferred.name == "multilabel":
        return inferred
    targets = y.shape[1] if y.ndim == 2 else 1
    if inferred.name == "regression" and number < 2 and given == targets:
        return inferred
    two = given == 2 and (y.ndim == 1 or y.shape[1] == 1)
    return tasks.get("binary" if two else "multiclass")


def _count(
    labels: Mapping[str, Any], task: Task, names: tuple[str, ...], *, exact: bool
) -> int:
    train = as_array(labels["train"], what="train y")
    if task.name == "binary":
        if exact and not names:
            refuse_one_class([y for y in labels.values() if y is not None])
        return 2
    if task.has_classes:
        whole = train.ndim == 1 and train.dtype.kind in "bui"
        if not exact and not names and whole:
            number = max(2, int(train.max()) + 1)
            check_num_classes(number)
            if train.min() == 1:
                warnings.warn(
                    f"The first {len(train):,} labels of the stream are 1 to "
                    f"{number - 1}, so {number} classes from 0 are assumed. If the "
                    "labels start at 1, subtract 1.",
                    UserWarning,
                    stacklevel=2,
                )
            return number
        given = [y for y in labels.values() if y is not None]
        return count_classes(given, class_names=names)
    return train.shape[1] if train.ndim == 2 else 1


def _default_names(task: Task, number: int) -> tuple[str, ...]:
    if task.name != "regression":
        return tuple(str(index) for index in range(number))
    return ("target",) if number == 1 else tuple(f"target {i}" for i in range(number))


def check_num_classes(num_classes: Any) -> None:
    """Check a number of classes, labels or targets.

    Args:
        num_classes: Their number; 0 for as many as the labels say.

    Raises:
        ValueError: if it is no whole number, negative, or above 1,000,000.

    Example:
        >>> check_num_classes(10)
    """
    if isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer)):
        raise ValueError(f"num_classes must be a whole number; given: {num_classes!r}.")
    if num_classes > _MOST_CLASSES:
        raise ValueError(
            f"num_classes={num_classes:,} is too large: at most {_MOST_CLASSES:,} are "
            "accepted. Number the classes that there are from 0 "
            "(numpy.unique(y, return_inverse=True)[1])."
        )


def _check_names(task: Task, names: tuple[str, ...], number: int) -> None:
    if number < (2 if task.has_classes else 1):
        raise ValueError(
            f"num_classes={number}: classification needs at least 2 classes."
        )
    if task.name == "binary" and number != 2:
        raise ValueError(
            f"num_classes={number}, but task='binary' has 2 classes. "
            "Give task='multiclass'."
        )
    if names and len(names) != number:
        raise ValueError(
            f"class_names has {len(names)} names for {number} classes: "
            "give one name for each class, in the order of the labels."
        )
