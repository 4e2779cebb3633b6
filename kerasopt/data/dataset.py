"""The dataset that every other part of kerasopt takes: checked and read-only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data import description
from kerasopt.data.checks import is_lazy
from kerasopt.data.leakage import rows_in_both, warn_of_test_rows
from kerasopt.data.meaning import find_meaning
from kerasopt.data.pixels import PIXEL_MAX, pixel_scale
from kerasopt.data.split_checks import (
    SPLITS,
    as_split,
    check_streams,
    checked_feature_names,
    checked_pairs,
    checked_paths,
    checked_weights,
    compare_with_test,
    labels_of,
    read_only_pair,
)
from kerasopt.data.streams import Stream
from kerasopt.data.structure import count, leaves, map_leaves
from kerasopt.fetching.hashing import sha256
from kerasopt.names import unknown
from kerasopt.tasks import Task

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training, validation and test data of one task.

    The arrays are checked once, here, and are read-only views afterwards: the
    data of a run stay what their hashes say. Your own arrays stay writeable.

    A split is a pair ``(x, y)`` or a `Stream`. `x` is one array of shape (n, ...),
    or a dict or tuple of arrays for a model of several inputs. `y` is what the
    task says (see `kerasopt.tasks`), a dict or tuple of arrays for a model of
    several outputs, or None for a model that needs none.

    Args:
        train: Pair ``(x, y)`` or stream.
        validation: Pair, stream, or None.
        test: Pair, stream, or None.
        num_classes: Number of classes, labels or targets; 0 infers it.
        class_names: A name for each class, label or target; by default "0",
            "1", ...
        source: Where the data came from, in words.
        name: Short name, used in reports and folder names.
        task: "binary", "multiclass", "multilabel" or "regression"; "auto" infers
            it from the labels. None checks no labels: the loss decides.
        weights: Sample weights of shape (n,), by the name of the split.
        paths: File of each sample, by the name of the split.
        skipped: Files that were left out because they can't be read.
        feature_names: Names of the columns of samples that were a data frame.
        allow_test_as_validation: Accept validation data that are test data;
            `test_is_validation` then says so.

    Attributes:
        test_rows_in_train: Number of test samples that are also training samples;
            None if they weren't compared (streams, more than 2 GiB of arrays).

    Raises:
        ValueError: if anything about the data is wrong, and if test data were
            given as validation data.

    Example:
        >>> x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
        >>> data = Dataset(train=(x[:3], y[:3]), test=(x[3:], y[3:]))
        >>> data
        <Dataset 'arrays': train 3, validation 0, test 3; (2,) float64; 3 classes>
        >>> data.task.name, data.num_classes, data.input_shape
        ('multiclass', 3, (2,))
    """

    train: Any
    validation: Any = None
    test: Any = None
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    source: str = "arrays in memory"
    name: str = "arrays"
    # A string or None is accepted; afterwards it is a Task or None.
    task: Task | None = "auto"  # type: ignore[assignment]
    weights: Mapping[str, Any] = field(default_factory=dict)
    paths: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    test_is_validation: bool = field(init=False, default=False)
    test_rows_in_train: int | None = field(init=False, default=None)
    allow_test_as_validation: InitVar[bool] = False

    def __post_init__(self, allow_test_as_validation: bool) -> None:
        """Check the data and replace arrays by read-only views."""
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"name must be text, not empty; given: {self.name!r}.")
        if not isinstance(allow_test_as_validation, (bool, np.bool_)):
            raise TypeError(
                "allow_test_as_validation must be True or False; given: "
                f"{allow_test_as_validation!r}."
            )
        for name in ("weights", "paths"):
            what = "a dict from the name of a split to its values"
            checks.instance(name, getattr(self, name), Mapping, what)
        given = {
            split: as_split(getattr(self, split), what=split)
            for split in SPLITS
            if getattr(self, split) is not None or split == "train"
        }
        meaning = find_meaning(
            {split: labels_of(value) for split, value in given.items()},
            task=self.task,
            num_classes=self.num_classes,
            class_names=self.class_names,
            exact=not isinstance(given["train"], Stream),
        )
        pairs = checked_pairs(given, meaning)
        check_streams(given, meaning)
        splits = {**given, **pairs}
        self._set(
            **splits,
            task=meaning.task,
            num_classes=meaning.num_classes,
            class_names=meaning.class_names,
            weights=checked_weights(self.weights, splits),
            paths=checked_paths(self.paths, splits),
            skipped=tuple(checks.sequence("skipped", self.skipped, "a list of files")),
            feature_names=checked_feature_names(self.feature_names, splits["train"]),
            test_is_validation=compare_with_test(pairs, allow_test_as_validation),
        )
        if "train" in pairs and "test" in pairs:
            found = rows_in_both(pairs["test"][0], pairs["train"][0])
            if found is not None:
                self._set(test_rows_in_train=len(found))
                paths = self.paths.get("test")
                warn_of_test_rows(found, self.sizes["test"], paths)

    def _set(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def replace(self, **changes: Any) -> Dataset:
        """Return a copy with other values, checked like a new dataset.

        A split that is replaced loses its weights and paths, unless they are given
        too. Another task gives the number and the names of classes anew.

        Args:
            changes: Any arguments of `Dataset`.

        Returns:
            The new dataset.

        Raises:
            ValueError: on an unknown argument and for anything that `Dataset` refuses.

        Example:
            >>> data = Dataset(train=(np.zeros((4, 2)), [0, 1, 2, 3]))
            >>> data.replace(task="regression").train[1].dtype
            dtype('float32')
        """
        fields = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.init
        }
        accepted = [*fields, "allow_test_as_validation"]
        for name in changes:
            if name not in accepted:
                raise unknown("argument of Dataset.replace", name, accepted)
        for name in ("weights", "paths"):
            kept = {s: v for s, v in fields[name].items() if s not in changes}
            fields[name] = kept
        if "train" in changes:
            fields["feature_names"] = ()
        if "task" in changes and not self._same_kind(changes["task"]):
            fields.update(num_classes=0, class_names=())
        allowed = {"allow_test_as_validation": self.test_is_validation}
        return Dataset(**{**fields, **allowed, **changes})

    def without_test(self) -> Dataset:
        """Return the data without their test part, for what must not see it.

        Example:
            >>> pair = (np.zeros((2, 3)), [0, 1])
            >>> other = (np.ones((2, 3)), [0, 1])
            >>> Dataset(train=pair, test=other).without_test().sizes["test"]
            0
        """
        kept = {
            name: {s: v for s, v in getattr(self, name).items() if s != "test"}
            for name in ("weights", "paths")
        }
        return self._with(test=None, test_rows_in_train=None, **kept)

    def _same_kind(self, task: Any) -> bool:
        """Return whether another task numbers and names the same things."""
        name = getattr(task, "name", task)
        mine = self.task.name if self.task else None
        alike = ("binary", "multiclass")
        return isinstance(name, str | None) and (
            name == mine or (name in alike and mine in alike)
        )

    def _with(self, **changes: Any) -> Dataset:
        """Return a copy with other values, parts of checked data, without checks."""
        copy = object.__new__(Dataset)
        fields = {
            item.name: getattr(self, item.name) for item in dataclasses.fields(self)
        }
        for split in {*SPLITS} & {*changes}:
            if isinstance(changes[split], tuple):
                changes[split] = read_only_pair(changes[split])
        copy._set(**{**fields, **changes})
        return copy

    @property
    def input_shape(self) -> Any:
        """Shape of one sample; a dict or tuple of shapes for several inputs."""
        if isinstance(self.train, Stream):
            return self.train.input_shape
        return map_leaves(lambda array: tuple(array.shape[1:]), self.train[0])

    @property
    def sizes(self) -> dict[str, Any]:
        """Number of samples of each split; 0 if there is none, None if unknown."""
        return {split: count(getattr(self, split)) for split in SPLITS}

    @property
    def test_paths(self) -> tuple[str, ...]:
        """File of each test sample, in order; empty if the data aren't files."""
        return tuple(self.paths.get("test", ()))

    @cached_property
    def pixel_scale(self) -> float:
        """Number by which training samples are divided: 255.0 for pixels, else 1.0."""
        if isinstance(self.train, Stream):
            return self.train.pixel_scale
        if self.paths.get("train"):
            # Files: pixels however dark, and wherever they are kept once decoded.
            return PIXEL_MAX
        return pixel_scale(self.train[0])

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each array's bytes in C order: "x_train", "y_train", ...

        Integer labels of up to 256 classes are hashed as uint8, as the
        published sets store them, so that the sums can be compared. Several
        inputs have one sum each ("x_train['age']"), weights "weights_train".
        Image files have the sum of their decoded pixels, wherever those are kept.
        Streams have none.
        """
        sums: dict[str, str] = {}
        for split in SPLITS:
            pair = getattr(self, split)
            if isinstance(pair, tuple):
                sums |= _sums(pair, self.weights.get(split), split, self._fits_uint8)
        return sums

    @property
    def _fits_uint8(self) -> bool:
        classes = self.task is not None and self.task.has_classes
        return classes and self.num_classes <= 256

    def summary(self) -> str:
        """Return a few lines for people: sizes, shape, classes and source.

        Example:
            >>> x = np.zeros((4, 8, 8, 1), dtype="uint8")
            >>> print(Dataset(train=(x, [0, 1, 0, 1])).summary())
            arrays (arrays in memory)
            train 4, validation 0, test 0
            samples (8, 8, 1) uint8, 2 classes: 0, 1
        """
        return description.summary(self)

    def __repr__(self) -> str:
        """Return the sizes and shapes, not the arrays."""
        return description.short(self)


def _sums(pair: Any, weights: Any, split: str, as_uint8: bool) -> dict[str, str]:
    sums = {}
    for name, array in leaves(pair[0], what=f"x_{split}"):
        sums[name] = array.sha256 if is_lazy(array) else sha256(array)
    for name, array in leaves(pair[1], what=f"y_{split}"):
        small = as_uint8 and array.ndim == 1
        sums[name] = sha256(array.astype(np.uint8) if small else array)
    if weights is not None:
        sums[f"weights_{split}"] = sha256(weights)
    return sums
