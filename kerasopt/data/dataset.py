"""The dataset that every other part of kerasopt takes: checked and read-only."""

from __future__ import annotations

import hashlib
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kerasopt.data.checks import (
    Pair,
    as_array,
    as_pair,
    check_features,
    check_labels,
    count_classes,
)

__all__ = ["Dataset", "check_validation", "overlap"]

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training, validation and test data of a classification task.

    The arrays are checked once, here, and are read-only views afterwards: the
    data of a run stay what their hashes say. Your own arrays stay writeable.

    Args:
        train: Pair ``(x, y)``. `x` is ``(n, height, width, channels)`` or
            ``(n, features)``; uint8 images are in 0..255. `y` is ``(n,)``
            integers from 0, or ``(n, num_classes)`` one-hot.
        validation: Pair, or None.
        test: Pair, or None.
        num_classes: Number of classes; 0 infers it from the labels.
        class_names: A name for each class; by default "0", "1", ...
        source: Where the data came from, in words.
        name: Short name, used in reports and folder names.
        allow_test_as_validation: Accept validation data that are test data;
            `test_is_validation` then says so.

    Raises:
        ValueError: if anything about the arrays is wrong, and if test data
            were given as validation data.

    Example:
        >>> import numpy as np
        >>> x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
        >>> data = Dataset(train=(x[:3], y[:3]), test=(x[3:], y[3:]))
        >>> data
        <Dataset 'arrays': train 3, validation 0, test 3; (2,) float64; 3 classes>
        >>> data.num_classes, data.input_shape
        (3, (2,))
    """

    train: Pair
    validation: Pair | None = None
    test: Pair | None = None
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    source: str = "arrays in memory"
    name: str = "arrays"
    test_is_validation: bool = field(init=False, default=False)
    allow_test_as_validation: InitVar[bool] = False

    def __post_init__(self, allow_test_as_validation: bool) -> None:
        """Check the arrays and replace them by read-only views."""
        given = {
            split: as_pair(getattr(self, split), what=split)
            for split in _SPLITS
            if getattr(self, split) is not None or split == "train"
        }
        names = tuple(str(name) for name in self.class_names)
        num_classes = self.num_classes or count_classes(
            [y for _, y in given.values()], class_names=names
        )
        _check_names(names, num_classes)
        pairs = {
            split: _check_pair(x, y, split=split, num_classes=num_classes)
            for split, (x, y) in given.items()
        }
        _check_agreement(pairs)
        is_test = check_validation(
            pairs.get("validation"), pairs.get("test"), allow_test_as_validation
        )
        default = tuple(str(index) for index in range(num_classes))
        checked: dict[str, Any] = {
            **pairs,
            "num_classes": num_classes,
            "class_names": names or default,
            "test_is_validation": is_test,
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (height, width, channels), or (features,)."""
        return tuple(self.train[0].shape[1:])

    @property
    def sizes(self) -> dict[str, int]:
        """Number of samples of each split; 0 for one that isn't there."""
        pairs = {split: getattr(self, split) for split in _SPLITS}
        return {split: len(pair[1]) if pair else 0 for split, pair in pairs.items()}

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each array's bytes in C order: "x_train", "y_train", ...

        Integer labels of up to 256 classes are hashed as uint8, as the
        published sets store them, so that the sums can be compared.
        """
        sums: dict[str, str] = {}
        for split in _SPLITS:
            pair = getattr(self, split)
            if pair is None:
                continue
            x, y = pair
            if y.ndim == 1 and self.num_classes <= 256:
                y = y.astype(np.uint8)
            sums[f"x_{split}"] = sha256(x)
            sums[f"y_{split}"] = sha256(y)
        return sums

    def summary(self) -> str:
        """Return a few lines for people: sizes, shape, classes and source.

        Example:
            >>> import numpy as np
            >>> x = np.zeros((4, 8, 8, 1), dtype="uint8")
            >>> print(Dataset(train=(x, [0, 1, 0, 1])).summary())
            arrays (arrays in memory)
            train 4, validation 0, test 0
            samples (8, 8, 1) uint8, 2 classes: 0, 1
        """
        names = ", ".join(self.class_names[:10])
        more = ", ..." if self.num_classes > 10 else ""
        lines = [
            f"{self.name} ({self.source})",
            self._sizes_text(),
            f"samples {self.input_shape} {self.train[0].dtype}, "
            f"{self.num_classes} classes: {names}{more}",
        ]
        if self.test_is_validation:
            lines.append("The validation data are test data: no honest test score.")
        return "\n".join(lines)

    def _sizes_text(self) -> str:
        return ", ".join(f"{split} {size:,}" for split, size in self.sizes.items())

    def __repr__(self) -> str:
        """Return the sizes and shapes, not the arrays."""
        return (
            f"<Dataset {self.name!r}: {self._sizes_text()}; {self.input_shape} "
            f"{self.train[0].dtype}; {self.num_classes} classes>"
        )


def sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's bytes in C order, as hexadecimal.

    Args:
        array: Any array of numbers.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import numpy as np
        >>> sha256(np.frombuffer(b"abc", dtype="uint8"))[:16]
        'ba7816bf8f01cfea'
    """
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def overlap(a: Any, b: Any) -> float:
    """Measure how much of `a` is also in `b`, row by row, byte for byte.

    Args:
        a: Array ``(n, ...)``.
        b: Array ``(m, ...)``.

    Returns:
        Share, from 0 to 1, of the rows of `a` that occur in `b`. Rows of
        another shape or dtype never match.

    Example:
        >>> import numpy as np
        >>> overlap(np.arange(4), np.array([0, 1, 9]))
        0.5
    """
    first, second = as_array(a, what="a"), as_array(b, what="b")
    if not first.ndim or not second.ndim:
        raise ValueError("overlap compares rows; given: a single number.")
    if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
        return 0.0
    if not len(first):
        return 0.0
    known = set(_row_digests(second))
    return sum(digest in known for digest in _row_digests(first)) / len(first)


def _row_digests(array: np.ndarray) -> list[bytes]:
    rows = np.ascontiguousarray(array).reshape(len(array), -1)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]


def check_validation(
    validation: Any, test: Any, allow_test_as_validation: bool = False
) -> bool:
    """Refuse test data in the role of validation data.

    Whatever is chosen by looking at the test set (epochs, learning rates,
    models) makes its score too good. More than half of the validation rows
    being rows of the test set, byte for byte, counts as the test set. Data
    with few distinct rows (truth tables, say) share rows by nature; of those
    only the identical array counts.

    Args:
        validation: Pair ``(x, y)``, or None.
        test: Pair ``(x, y)``, or None.
        allow_test_as_validation: Accept it nevertheless.

    Returns:
        True if the validation data are test data (and that was allowed).

    Raises:
        ValueError: if they are and it wasn't allowed.

    Example:
        >>> import numpy as np
        >>> test = (np.arange(10.0).reshape(5, 2), np.array([0, 1, 0, 1, 0]))
        >>> check_validation(test, test, allow_test_as_validation=True)
        True
    """
    if validation is None or test is None:
        return False
    mine = as_array(as_pair(validation, what="validation")[0], what="validation x")
    theirs = as_array(as_pair(test, what="test")[0], what="test x")
    share = overlap(mine, theirs)
    if share <= 0.5:
        return False
    distinct = len(set(_row_digests(theirs))) > len(theirs) / 2
    if not distinct and not np.array_equal(mine, theirs):
        return False
    if allow_test_as_validation:
        return True
    raise ValueError(
        f"The validation data are test data: {share:.0%} of their rows occur in the "
        "test set, so that what is selected on them makes the test score too good. "
        "Cut the validation data from the training data instead (validation=0.1), "
        "or pass allow_test_as_validation=True, and the report will say so."
    )


def _check_names(names: tuple[str, ...], num_classes: int) -> None:
    if isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer)):
        raise ValueError(f"num_classes must be a whole number; given: {num_classes!r}.")
    if num_classes < 2:
        raise ValueError(
            f"num_classes={num_classes}: classification needs at least 2 classes."
        )
    if names and len(names) != num_classes:
        raise ValueError(
            f"class_names has {len(names)} names for {num_classes} classes: "
            "give one name for each class, in the order of the labels."
        )


def _check_pair(x: Any, y: Any, *, split: str, num_classes: int) -> Pair:
    features = check_features(x, what=f"{split} x")
    labels = check_labels(y, what=f"{split} y", num_classes=num_classes)
    if len(features) != len(labels):
        raise ValueError(
            f"{split} x has {len(features):,} samples and {split} y has "
            f"{len(labels):,} labels: they must be equally many."
        )
    return _read_only(features), _read_only(labels)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _check_agreement(pairs: dict[str, Pair]) -> None:
    x_train, y_train = pairs["train"]
    for split, (x, y) in pairs.items():
        if x.shape[1:] != x_train.shape[1:]:
            raise ValueError(
                f"{split} samples have the shape {x.shape[1:]} and train samples "
                f"{x_train.shape[1:]}: all splits must have one shape."
            )
        if (x.dtype == np.uint8) != (x_train.dtype == np.uint8):
            raise ValueError(
                f"{split} x is {x.dtype} and train x is {x_train.dtype}. uint8 is "
                "divided by 255 before training and other types aren't: give all "
                "splits in one of the two forms."
            )
        if y.ndim != y_train.ndim:
            raise ValueError(
                f"{split} y has the shape {y.shape} and train y {y_train.shape}: "
                "either all are integers (n,) or all are one-hot (n, num_classes)."
            )
