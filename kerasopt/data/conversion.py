"""From what users have (lists, tensors, data frames) to the arrays of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasopt import checks
from kerasopt.data import frames
from kerasopt.data.checks import as_array, is_lazy
from kerasopt.data.labels import number_names
from kerasopt.data.pixels import add_channel_axis, are_pixels, looks_like_images
from kerasopt.data.structure import is_nested, leaves

__all__ = ["convert_labels", "convert_samples"]


def convert_samples(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the samples of each split into arrays of one dtype.

    Args:
        given: Samples of each split, the training samples first: arrays, lists,
            tensors, data frames, or a dict or tuple of them.

    Returns:
        Arrays, or dicts or tuples of arrays. Images with pixels are uint8, other
        integers keep their dtype, the rest is float32.

    Raises:
        ValueError: if splits differ in structure, or on columns of a frame that
            hold no numbers.

    Example:
        >>> convert_samples({"train": np.array([[1, 2]])})["train"].dtype
        dtype('int64')
        >>> convert_samples({"train": [[0.5]]})["train"].dtype
        dtype('float32')
    """
    splits = {split: _as_inputs(x) for split, x in given.items()}
    first, *_ = splits
    names = _input_names(splits[first])
    for split, x in splits.items():
        if _input_names(x) != names:
            raise ValueError(
                f"{split} x has the inputs {', '.join(_input_names(x))} and {first} x "
                f"{', '.join(names)}: all splits need the same, in the same order."
            )
    if not is_nested(splits[first]):
        return _convert_input(splits, what="x")
    flat = {split: [array for _, array in leaves(x)] for split, x in splits.items()}
    converted = [
        _convert_input({split: parts[i] for split, parts in flat.items()}, what=name)
        for i, name in enumerate(names)
    ]
    return {
        split: _rebuilt(x, [arrays[split] for arrays in converted])
        for split, x in splits.items()
    }


def _input_names(x: Any) -> list[str]:
    return [name for name, _ in leaves(x)] if is_nested(x) else ["one array"]


def _as_inputs(x: Any) -> Any:
    """Return a tuple of plain numbers as one array; other values as they are."""
    if isinstance(x, tuple) and not any(getattr(part, "shape", ()) for part in x):
        return list(x)
    return x


def _rebuilt(like: Any, arrays: list[Any]) -> Any:
    if isinstance(like, dict):
        return dict(zip(like, arrays, strict=True))
    return tuple(arrays)


def _convert_input(given: dict[str, Any], *, what: str) -> dict[str, Any]:
    """Convert one input of all the splits together."""
    names = frames.column_names(next(iter(given.values())))
    arrays = {}
    for split, x in given.items():
        own = f"{split} {what}"
        arrays[split] = _as_numbers(frames.by_name(x, names, what=own), what=own)
    lazy = {split: a for split, a in arrays.items() if is_lazy(a)}
    return {**_one_dtype({s: a for s, a in arrays.items() if s not in lazy}), **lazy}


def _as_numbers(x: Any, *, what: str) -> Any:
    if is_lazy(x):
        return x
    if frames.is_frame(x):
        return frames.to_array(x, what=what)
    array = as_array(x, what=what)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array


def _one_dtype(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Choose one dtype for all the splits together."""
    kinds = {array.dtype.kind for array in arrays.values()}
    if not kinds or not kinds <= set("uifb"):
        # check_features has the words for text and objects.
        return arrays
    wanted: Any = np.float32
    if kinds <= set("ui"):
        arrays = add_channel_axis(arrays)
        wanted = np.result_type(*(array.dtype for array in arrays.values()))
        if _are_photos(list(arrays.values())):
            wanted = np.uint8
    # A float64 beyond float32 becomes infinite, which the check then reports.
    with np.errstate(over="ignore"):
        return {s: a.astype(wanted, copy=False) for s, a in arrays.items()}


def _are_photos(arrays: list[np.ndarray]) -> bool:
    """Return whether all are images that uint8 can hold and the first has pixels."""
    return (
        all(looks_like_images(array) for array in arrays)
        and are_pixels(arrays[0])
        and all(_fits_uint8(array) for array in arrays)
    )


def _fits_uint8(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 or bool(
        array.size and array.min() >= 0 and array.max() <= 255
    )


def convert_labels(
    given: Mapping[str, Any], class_names: Sequence[str] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Turn the labels of each split into arrays, and names of classes into numbers.

    Args:
        given: Labels of each split, the training labels first.
        class_names: Names of the classes; by default names found in the labels, or
            the columns of a frame with several labels or targets.

    Returns:
        The labels of each split, and the names, which may be empty.

    Raises:
        ValueError: on labels that are no classes.

    Example:
        >>> labels, names = convert_labels({"train": ["no", "yes", "no"]}, None)
        >>> labels["train"].tolist(), names
        ([0, 1, 0], ('no', 'yes'))
    """
    names = checks.class_names(class_names)
    first, *_ = given.values()
    if first is None or is_nested(_as_inputs(first)):
        return {split: _nested_labels(y, split) for split, y in given.items()}, names
    targets = frames.target_names(first)
    names = names or targets
    arrays = {
        split: _label_array(
            frames.by_name(y, targets, what=f"{split} y"), what=f"{split} y"
        )
        for split, y in given.items()
    }
    missing = [split for split, y in given.items() if y is None]
    if missing:
        raise ValueError(
            f"{missing[0]} has no y, but train has: give labels for all splits."
        )
    return number_names(arrays, names)


def _nested_labels(y: Any, split: str) -> Any:
    if y is None:
        return None
    arrays = [
        _label_array(part, what=name) for name, part in leaves(y, what=f"{split} y")
    ]
    return _rebuilt(y, arrays) if is_nested(y) else arrays[0]


def _label_array(y: Any, *, what: str) -> Any:
    if y is None:
        return None
    if frames.is_frame(y) or frames.is_series(y):
        return frames.labels_to_array(y, what=what)
    return as_array(list(y) if isinstance(y, tuple) else y, what=what)
