"""Data that a finished run predicts and measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.checks import as_array, check_finite, is_lazy
from kerasopt.data.streams import is_stream
from kerasopt.data.structure import is_nested, lists_as_tuples, map_leaves
from kerasopt.training.batches import affordable_batch

__all__ = ["as_samples", "batches_of", "fits", "predicted", "scaled"]


def split_of(data: Any) -> Any:
    """Return the part of a `Dataset` to measure; other data as they are."""
    if not isinstance(data, Dataset):
        return data
    split = "test" if data.test is not None else "validation"
    found = getattr(data, split)
    if found is None:
        raise ValueError(f"The dataset '{data.name}' has no test or validation part.")
    if is_stream(found):
        return found
    x, y = found
    if data.feature_names:  # The run's columns may be in another order.
        x = pd.DataFrame(x, columns=list(data.feature_names))
    return x, y, data.weights.get(split)


def finite(data: Any) -> tf.data.Dataset:
    """Return the batches of a stream that comes to an end, or refuse it."""
    stream = data if isinstance(data, Stream) else Stream(data, what="given")
    return stream.batches().take(stream.steps) if stream.endless else stream.batches()


def batches_of(data: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield samples, labels and weights of a stream's batches as NumPy arrays."""
    for batch in finite(data).as_numpy_iterator():
        yield keras.utils.unpack_x_y_sample_weight(batch)


def scaled(
    data: Any, check: Callable[[Any], Any], scale_of: Callable[[Any], float | None]
) -> tf.data.Dataset:
    """Return the batches of what `Run.evaluate` takes, for Keras's ``evaluate``.

    Args:
        data: The data.
        check: Function from given samples to arrays, which refuses unfit ones.
        scale_of: Function from samples to what they are divided by.
    """
    data = split_of(data)
    if is_stream(data):
        some, *_ = next(batches_of(data))
        scale = scale_of(some)
        return finite(data).map(lambda x, *rest: (pipeline.scale_all(x, scale), *rest))
    x, y, weights = _arrays_of(data)
    x = check(x)
    return pipeline.evaluation_batches(
        x,
        y,
        batch_size=affordable_batch(x),
        pixel_scale=scale_of(x),
        sample_weight=weights,
    )


def predicted(
    data: Any, predict: Callable[[Any], np.ndarray]
) -> tuple[np.ndarray, Any, Any]:
    """Return predictions, labels and weights of what `Run.evaluate` takes.

    Args:
        data: The data; of a stream one batch at a time is in memory.
        predict: Function from samples to predictions.

    Raises:
        ValueError: if there are no labels.
    """
    data = split_of(data)
    if is_stream(data):
        parts = [(predict(x), y, weights) for x, y, weights in batches_of(data)]
        predictions, y, weights = map(_joined, zip(*parts, strict=True))
    else:
        if hasattr(data, "shape"):
            raise ValueError("evaluate needs labels too: give (x, y), or a stream.")
        x, y, weights = _arrays_of(data)
        predictions = predict(x)
    if y is None:
        raise ValueError("evaluate needs labels too: give (x, y), or such batches.")
    return predictions, y, weights


def _arrays_of(data: Any) -> tuple[Any, Any, Any]:
    """Return samples, labels and weights of (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
        kind = type(data).__name__
        raise TypeError(
            "The data to measure must be (x, y), (x, y, sample_weight), a stream of "
            f"such batches or a Dataset; given: a {kind}"
            + (f" of {len(data)}." if isinstance(data, (tuple, list)) else ".")
        )
    x, y, weights = keras.utils.unpack_x_y_sample_weight(tuple(data))
    return (*lists_as_tuples(x, y), weights)


def _joined(parts: tuple[Any, ...]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)


def fits(given: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    """Say whether a sample's shape is that of the training, where that is fixed."""
    return len(given) == len(shape) and all(
        size in (None, other) for other, size in zip(given, shape, strict=True)
    )


def as_samples(x: Any, shape: Any, model: keras.Model) -> Any:
    """Return samples as the arrays that a trained model takes, or refuse them.

    Args:
        x: What the user gave: an array, or a dict, tuple or list with one for each
            input.
        shape: Shape of a sample in the training; a dict or tuple for several inputs.
        model: The model.

    Raises:
        TypeError: if they are no arrays, or arrays for other inputs.
        ValueError: if there are none, they have another shape, or hold what are no
            numbers.
    """
    inputs = getattr(model, "inputs", None) or ()
    if isinstance(x, list):  # As Keras's: one for each input, or one array.
        x = tuple(x) if len(inputs) > 1 else x
    _check_structure(x, shape, {each.name for each in inputs})
    takes_text = not inputs or any(each.dtype == "string" for each in inputs)
    x = _each_as_numbers(x, takes_text)
    if is_nested(x):
        return x
    if isinstance(shape, dict) and len(shape) == 1:  # One input, by its name.
        return as_samples(dict.fromkeys(shape, x), shape, model)
    if _is_of_one(shape) and (*x.shape[1:], 1) == shape:
        x = x[..., np.newaxis]  # Grey images, as `from_arrays` takes them.
    if _is_of_one(shape) and not fits(x.shape[1:], shape):
        raise ValueError(
            f"Each sample must have the shape {shape}; given an array of shape "
            f"{x.shape}, samples along its first axis{_hint(x, shape)}."
        )
    return x


def _hint(x: Any, shape: Any) -> str:
    return ": for one sample give x[None]" if fits(x.shape, shape) else ""


def _is_of_one(shape: Any) -> bool:
    """Say whether a sample's shape is that of one array."""
    return isinstance(shape, tuple) and not any(
        isinstance(each, (tuple, dict)) for each in shape
    )


def _check_structure(x: Any, shape: Any, names: set[str]) -> None:
    """Refuse arrays for other inputs than those of the training."""
    if not is_nested(x):
        return
    given = f"a dict of {list(x)}" if isinstance(x, dict) else f"a tuple of {len(x)}"
    if _is_of_one(shape):
        raise TypeError(
            f"The model takes one array of samples of shape {shape}; given: {given}. "
            "Give the samples alone, without labels or names."
        )
    if isinstance(shape, dict) and isinstance(x, dict):
        # The training may have had columns that no input takes.
        needed = [name for name in shape if name in names] or list(shape)
        if not set(needed) <= set(x):
            raise ValueError(f"The model's inputs are {needed}; given: {given}.")


def _each_as_numbers(x: Any, takes_text: bool) -> Any:
    if is_nested(x):  # At any depth, as a stream may have it.
        return map_leaves(lambda some: _each_as_numbers(some, takes_text), x)
    return _as_numbers(x, takes_text)


def _as_numbers(x: Any, takes_text: bool) -> Any:
    """Return samples as an array; refuse none, and such as aren't finite numbers."""
    if not is_lazy(x):  # Image files are decoded batch by batch.
        x = as_array(x, what="x")
        if not x.ndim or (x.dtype.kind not in "buif" and not takes_text):
            raise TypeError(
                "x must be an array of numbers, one row for each sample; given: shape "
                f"{x.shape}, dtype {x.dtype}. A picture is read by "
                "ko.data.read_image(path, input_shape)[None]."
            )
    if not len(x):
        raise ValueError("There are no samples: the array is empty.")
    if not is_lazy(x):
        check_finite(x, what="x")
    return x
