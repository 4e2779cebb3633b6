"""Checks on the splits of a dataset: each alone, and all against train."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data.checks import as_pair, check_features, check_weights, is_lazy
from kerasopt.data.labels import check_classes_in_train, check_targets
from kerasopt.data.leakage import check_validation
from kerasopt.data.meaning import Meaning
from kerasopt.data.pixels import add_channel_axis, are_pixels, pixel_scale
from kerasopt.data.streams import Stream
from kerasopt.data.structure import count, is_nested, leaves, map_leaves
from kerasopt.names import unknown

__all__ = [
    "SPLITS",
    "as_split",
    "check_streams",
    "checked_feature_names",
    "checked_pairs",
    "checked_paths",
    "checked_weights",
    "compare_with_test",
    "labels_of",
    "read_only_pair",
]

SPLITS = ("train", "validation", "test")


def as_split(value: Any, *, what: str) -> Any:
    """Return a split as a pair, or a stream whose first batches were checked.

    Args:
        value: Pair ``(x, y)`` or `Stream`.
        what: Name of the split.

    Example:
        >>> as_split([[1.0], [0]], what="test")
        ([1.0], [0])
    """
    if isinstance(value, Stream):
        value.check(what)
        return value
    return as_pair(value, what=what)


def labels_of(value: Any) -> Any:
    """Return the labels of a split; of a stream those of the first batches.

    Example:
        >>> labels_of(([1.0], [0]))
        [0]
    """
    return value.labels() if isinstance(value, Stream) else value[1]


def checked_pairs(given: Mapping[str, Any], meaning: Meaning) -> dict[str, Any]:
    """Check the splits that are arrays.

    Args:
        given: Pair or stream of each split.
        meaning: What the labels mean.

    Returns:
        The pairs as read-only arrays; streams are left out.

    Raises:
        ValueError: if samples or labels are wrong, or splits don't agree.

    Example:
        >>> pairs = checked_pairs({"train": ([[1.0]], None)}, Meaning(None, 0, ()))
        >>> pairs["train"][0].flags.writeable
        False
    """
    pairs = {split: v for split, v in given.items() if not isinstance(v, Stream)}
    features = {
        split: _check_samples(x, what=f"{split} x") for split, (x, _) in pairs.items()
    }
    if features and not any(is_nested(x) for x in features.values()):
        features = add_channel_axis(features)
    labels = {
        split: check_targets(
            y, what=f"{split} y", task=meaning.task, num_classes=meaning.num_classes
        )
        for split, (_, y) in pairs.items()
    }
    checked = {}
    for split, x in features.items():
        _check_lengths(x, labels[split], split=split)
        checked[split] = read_only_pair((x, labels[split]))
    if "train" in checked:
        _check_agreement(checked)
        if meaning.task is not None and meaning.task.has_classes:
            check_classes_in_train(labels, class_names=meaning.class_names)
    return checked


def check_streams(given: Mapping[str, Any], meaning: Meaning) -> None:
    """Check the labels of the streams' first batches.

    Args:
        given: Pair or stream of each split.
        meaning: What the labels mean.

    Raises:
        ValueError: if labels don't fit the task.

    Example:
        >>> check_streams({}, Meaning(None, 0, ()))
    """
    for split, value in given.items():
        if isinstance(value, Stream) and meaning.task is not None:
            check_targets(
                value.labels(),
                what=f"{split} y",
                task=meaning.task,
                num_classes=meaning.num_classes,
            )


def _check_samples(x: Any, *, what: str) -> Any:
    if not is_nested(x):
        return check_features(x, what=what)
    named = leaves(x, what=what)
    if not named:
        raise ValueError(f"{what} is an empty {type(x).__name__}: give its arrays.")
    checked = iter([check_features(array, what=name) for name, array in named])
    return map_leaves(lambda _: next(checked), x)


def _check_lengths(x: Any, y: Any, *, split: str) -> None:
    (first, samples), *others = leaves(x, what=f"{split} x")
    for name, array in others:
        if len(array) != len(samples):
            raise ValueError(
                f"{first} has {len(samples):,} samples and {name} has "
                f"{len(array):,}: they must be equally many."
            )
    for name, array in leaves(y, what=f"{split} y"):
        if len(array) != len(samples):
            raise ValueError(
                f"{split} x has {len(samples):,} samples and {name} has "
                f"{len(array):,} labels: they must be equally many."
            )


def read_only_pair(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return read-only views of the arrays of a pair.

    Example:
        >>> read_only_pair((np.zeros(2), None))[0].flags.writeable
        False
    """
    return map_leaves(_read_only, pair[0]), map_leaves(_read_only, pair[1])


def _read_only(array: Any) -> Any:
    if is_lazy(array):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _check_agreement(pairs: Mapping[str, Any]) -> None:
    """Compare shape and form of each split with those of train."""
    x_train, y_train = pairs["train"]
    for split, (x, y) in pairs.items():
        if _outline(x) != _outline(x_train):
            raise ValueError(
                f"{split} samples have the shape {_outline(x)} and train samples "
                f"{_outline(x_train)}: all splits must have one shape."
            )
        if not is_nested(x):
            _check_scale(x, x_train, split=split)
        if _rank(y) != _rank(y_train):
            raise ValueError(
                f"{split} y has the shape {_shape(y)} and train y {_shape(y_train)}: "
                "either all are integers (n,) or all are one-hot (n, num_classes)."
            )


def _outline(x: Any) -> Any:
    return map_leaves(lambda array: tuple(array.shape[1:]), x)


def _rank(y: Any) -> Any:
    return map_leaves(lambda array: array.ndim, y)


def _shape(y: Any) -> Any:
    return map_leaves(lambda array: array.shape, y)


def _check_scale(x: Any, x_train: Any, *, split: str) -> None:
    """Refuse pixels in 0..255 in one split and scaled ones in another."""
    if is_lazy(x) or is_lazy(x_train) or x.dtype == x_train.dtype == np.uint8:
        return
    scales = pixel_scale(x), pixel_scale(x_train)
    if scales[0] == scales[1]:
        return
    # Dark images alone look like no pixels, but they are whole numbers.
    unscaled, other = (x, x_train) if scales[0] > 1 else (x_train, x)
    if other.dtype.kind == "f" and not are_pixels(other) and not _whole(other):
        names = (split, "train") if unscaled is x else ("train", split)
        raise ValueError(
            f"{names[0]} x has pixels in 0..255, which are divided by 255 before "
            f"training, and {names[1]} x has values up to {other.max():g}. Give all "
            "splits in one of the two forms."
        )


def _whole(x: np.ndarray) -> bool:
    return bool((x[:100] == np.round(x[:100])).all())


def checked_weights(
    given: Mapping[str, Any], splits: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Check the sample weights of each split.

    Args:
        given: Weights by the name of the split.
        splits: The checked splits.

    Returns:
        A read-only mapping with every split; None for no weights.

    Raises:
        ValueError: on wrong weights, and on weights of a split without arrays.

    Example:
        >>> checked_weights({"train": [1, 2]}, {"train": (np.eye(2), None)})["test"]
    """
    weights = dict.fromkeys(SPLITS)
    for split, values in dict(given or {}).items():
        if split not in SPLITS:
            raise unknown("split in weights", split, SPLITS)
        if values is None:
            continue
        if not isinstance(splits.get(split), tuple):
            raise ValueError(
                f"weights[{split!r}] were given, but {split} has no arrays. A stream "
                "gives weights in its batches: (x, y, sample_weight)."
            )
        if isinstance(values, dict):
            raise ValueError(
                f"{split} sample_weight is a dict. Accepted: one number for each "
                "sample; outputs are weighed in compile, by loss_weights."
            )
        checked = check_weights(
            values,
            samples=count(splits[split]),
            what=f"{split} sample_weight",
            labels=getattr(splits[split][1], "shape", ()),
        )
        weights[split] = _read_only(checked)
    return MappingProxyType(weights)


def checked_paths(
    given: Mapping[str, Any], splits: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the files of each split's samples, those of `ImageFiles` included.

    Args:
        given: Paths by the name of the split.
        splits: The checked splits.

    Example:
        >>> checked_paths({"test": ["a.png"]}, {})["test"]
        ('a.png',)
    """
    paths = {split: tuple(map(str, names)) for split, names in dict(given).items()}
    for split, value in splits.items():
        lazy = isinstance(value, tuple) and is_lazy(value[0])
        if lazy and split not in paths:
            paths[split] = tuple(map(str, value[0].paths))
    return MappingProxyType(paths)


def checked_feature_names(names: Any, train: Any) -> tuple[str, ...]:
    """Return the names of the columns of the training samples, or refuse them.

    Args:
        names: One text a column, each another; or none.
        train: The checked training split.

    Raises:
        ValueError: if they are no texts, or not as many as there are columns.

    Example:
        >>> checked_feature_names(["age"], (np.zeros((3, 2)), None))
        Traceback (most recent call last):
        ...
        ValueError: feature_names needs one name a column of the training samples, \
each another; given: ['age'].
    """
    names = checks.sequence("feature_names", names, "a list of texts")
    if not names:
        return ()
    texts = {name for name in names if isinstance(name, str)}
    shape = () if isinstance(train, Stream) else getattr(train[0], "shape", ())
    if len(texts) < len(names) or shape[1:] != (len(names),):
        raise ValueError(
            "feature_names needs one name a column of the training samples, each "
            f"another; given: {checks.shown(names)}."
        )
    return tuple(names)


def compare_with_test(pairs: Mapping[str, Any], allowed: bool) -> bool:
    """Return whether validation data are test data, or refuse them.

    Args:
        pairs: The checked pairs.
        allowed: Whether that is allowed.

    Raises:
        ValueError: if they are and it isn't allowed.

    Example:
        >>> compare_with_test({}, allowed=False)
        False
    """
    if "validation" not in pairs or "test" not in pairs:
        return False
    return check_validation(
        pairs["validation"], pairs["test"], allowed, train=pairs.get("train")
    )
