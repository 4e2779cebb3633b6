"""Data that a finished run predicts and measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.checks import check_finite, is_lazy
from kerasopt.data.streams import is_stream
from kerasopt.data.structure import lists_as_tuples
from kerasopt.training.batches import affordable_batch

__all__ = ["batches_of", "check_numbers", "fits", "predicted", "scaled"]


def split_of(data: Any) -> Any:
    """Return the part of a `Dataset` to measure; other data as they are."""
    if not isinstance(data, Dataset):
        return data
    split = "test" if data.test is not None else "validation"
    found = getattr(data, split)
    if found is None:
        raise ValueError(f"The dataset '{data.name}' has no test or validation part.")
    return found if is_stream(found) else (*found, data.weights.get(split))


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
    x, y, weights = keras.utils.unpack_x_y_sample_weight(tuple(data))
    return (*lists_as_tuples(x, y), weights)


def _joined(parts: tuple[Any, ...]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)


def fits(given: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    """Say whether a sample's shape is that of the training, where that is fixed."""
    return len(given) == len(shape) and all(
        size in (None, other) for other, size in zip(given, shape, strict=True)
    )


def check_numbers(x: Any) -> None:
    """Refuse no samples, and samples that aren't finite."""
    if not len(x):
        raise ValueError("There are no samples: the array is empty.")
    if not is_lazy(x):
        check_finite(x, what="x")
