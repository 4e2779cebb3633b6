"""Streams: data that arrive batch by batch instead of lying in memory.

A `Stream` gives one face to a `tf.data.Dataset`, a `keras.utils.PyDataset` and a
function that returns an iterator of batches. TensorFlow is imported when batches
are read, not before.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from kerasopt import checks as arguments
from kerasopt.data.pixels import pixel_scale
from kerasopt.data.stream_batches import (
    StreamError,
    as_arrays,
    check_batch,
    check_like,
    num_rows,
    reason_of,
    spec_of,
)
from kerasopt.data.stream_sources import adapt, is_py_dataset, is_tf_data
from kerasopt.data.structure import is_nested, leaves, map_leaves

__all__ = ["Stream", "StreamError", "is_stream"]

_BATCHES_TO_SEE = 8
_SAMPLES_TO_SEE = 1000


class Stream:
    """Batches ``(x, y)`` or ``(x, y, sample_weight)`` from a source.

    The first batches are read once, when something about the stream is asked, and
    checked: batched, not empty, one shape, no NaN. A tf.data pipeline that shuffles
    with a seed has then been iterated once before the training.

    Args:
        source: A batched `tf.data.Dataset`, a `keras.utils.PyDataset`, or a function
            without arguments that returns a new iterator of batches at each call.
        steps: Batches in an epoch. Needed where the source never ends; elsewhere
            the source is repeated, and an epoch starts where the last one ended,
            as with ``steps_per_epoch`` in Keras.
        what: How messages call the stream (``"train"``).

    Raises:
        TypeError: if the source is of another kind.

    Example:
        >>> def batches():
        ...     for start in (0, 2):
        ...         yield np.ones((2, 3)) * start, np.array([0, 1])
        >>> stream = Stream(batches)
        >>> stream.input_shape, stream.batch_size, stream.steps
        ((3,), 2, None)
        >>> [float(x[0, 0]) for x, y in stream.read()]
        [0.0, 2.0]
    """

    samples: int | None = None

    def __init__(
        self, source: Any, *, steps: int | None = None, what: str = "train"
    ) -> None:
        self.what = what
        try:
            self._source = adapt(source, what)
        except ValueError as error:
            raise ValueError(f"The {what} stream gives {error}.") from None
        # Whether its batches are samples alone, not a tuple of them.
        self.is_bare: bool = self._source.is_bare
        given = None if steps is None else arguments.integer("steps_per_epoch", steps)
        own = self._source.steps
        self.steps: int | None = given if given is not None else own
        self.endless = self._source.endless or (given is not None and given != own)
        self._failure: StreamError | None = None
        if self.endless and self.steps is None:
            way = "one that ends, such as stream.take(100)."
            if what == "train":
                way = "steps_per_epoch=…, the number of batches in an epoch."
            raise ValueError(f"The {what} stream never ends: give {way}")

    def check(self, what: str) -> None:
        """Read and check the first batches.

        Args:
            what: How messages call the stream from now on.

        Raises:
            ValueError: if the stream is empty, isn't batched, holds NaN, varies in
                rank, or fails.
        """
        self.what = what
        _ = self.first(), self.element_spec

    @cached_property
    def _seen(self) -> list[tuple[Any, ...]]:
        """The first batches as NumPy, checked."""
        seen: list[tuple[Any, ...]] = []
        # Closed at the end: a generator holds files and threads.
        with contextlib.closing(self._first_arrays()) as reading:
            for batch in reading:
                seen.append(batch)
                check_batch(batch, number=len(seen), what=self.what)
                if sum(map(num_rows, seen)) >= _SAMPLES_TO_SEE:
                    break
        if not seen:
            raise ValueError(
                f"The {self.what} stream is empty: it ended before its first batch."
            )
        return seen

    def _first_arrays(self) -> Generator[tuple[Any, ...], None, None]:
        number = 0
        try:
            for batch in self._source.first_batches(_BATCHES_TO_SEE):
                arrays = as_arrays(batch)
                number += 1
                yield arrays
        except Exception as error:
            raise self.failure(error, number + 1) from error

    def first(self) -> tuple[Any, ...]:
        """Return the first batch as NumPy arrays: (x,), (x, y) or (x, y, weights)."""
        return self._seen[0]

    def labels(self) -> np.ndarray | None:
        """Return the labels of the first batches, up to about 1,000 samples.

        None if the batches have no labels, or several arrays of them.
        """
        if len(self.first()) < 2 or is_nested(self.first()[1]):
            return None
        parts = [batch[1] for batch in self._seen if batch[1] is not None]
        if not parts or len({part.shape[1:] for part in parts}) > 1:
            return None
        return np.concatenate(parts)

    @property
    def batch_size(self) -> int:
        """Number of samples in the first batch."""
        return num_rows(self.first())

    @cached_property
    def element_spec(self) -> Any:
        """Structure of `tf.TensorSpec` of a batch; the batch axis is None."""
        own = self._source.element_spec()
        return own if own is not None else spec_of(self._seen)

    @property
    def input_shape(self) -> Any:
        """Shape of one sample, with None for axes that vary."""
        return map_leaves(lambda spec: tuple(spec.shape[1:]), self.element_spec[0])

    @property
    def seen_shapes(self) -> list[Any]:
        """Shapes of one sample in the first batches, each once, in their order."""
        shapes = (map_leaves(lambda a: a.shape[1:], batch[0]) for batch in self._seen)
        return list({repr(shape): shape for shape in shapes}.values())

    @cached_property
    def pixel_scale(self) -> float:
        """255.0 if the first batch holds integer images with pixels, else 1.0."""
        x = self.first()[0]
        if is_nested(x) or x.dtype.kind == "f":
            return 1.0
        return pixel_scale(x)

    @property
    def description(self) -> str:
        """Shape, dtype and length in words."""
        x = self.first()[0]
        shapes = (
            f"{len(leaves(x))} inputs"
            if is_nested(x)
            else f"{self.input_shape} {x.dtype}"
        )
        steps = "" if self.steps is None else f" of {self.steps:,} steps"
        return f"{shapes} in a stream{steps}"

    def batches(self, epoch: int = 0, *, seed: int | None = None) -> Any:
        """Return the batches of one epoch as a `tf.data.Dataset`.

        An endless stream gives endless batches: keep one iterator over it and take
        `steps` of them for each epoch.

        Args:
            epoch: Number of the epoch.
            seed: A `PyDataset` is read in an order that depends on seed and epoch
                alone; None reads it in its own order. Other sources keep theirs.

        Returns:
            Dataset of tuples (x,), (x, y) or (x, y, sample_weight).
        """
        ready = self._source.dataset(endless=self.endless)
        if ready is not None:
            return ready
        import tensorflow as tf

        spec = self.element_spec

        def produce() -> Iterator[Any]:
            return self._produce(spec, epoch, seed)

        return tf.data.Dataset.from_generator(produce, output_signature=spec)

    def _produce(self, spec: Any, epoch: int, seed: int | None) -> Iterator[Any]:
        """Yield the checked batches of a Python source; note what goes wrong."""
        self._failure = None
        number = 0
        try:
            for current in itertools.count(epoch):
                before = number
                for batch in self._source.epoch(current, seed):
                    arrays = as_arrays(batch)
                    number += 1
                    check_like(arrays, spec, number=number, what=self.what)
                    yield arrays
                if number == before:
                    raise StreamError(
                        f"The {self.what} stream gave no batch in a further epoch. "
                        "A function given as a stream must return a new iterator at "
                        "each call."
                    )
                if not self.endless:
                    return
        except StreamError as error:
            self._failure = error
            raise
        except Exception as error:
            self._failure = self._named_failure(error, number + 1)
            raise

    def read(self, epoch: int = 0, *, seed: int | None = None) -> Iterator[Any]:
        """Yield the batches of one epoch; of an endless stream, without end.

        Args:
            epoch: As for `batches`.
            seed: As for `batches`.

        Raises:
            StreamError: if the source fails; the message names the batch.
        """
        iterator = iter(self.batches(epoch, seed=seed))
        for number in itertools.count(1):
            try:
                batch = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                raise self.failure(error, number) from error
            yield batch

    def failure(self, error: BaseException, batch: int) -> StreamError:
        """Return the error to raise for one that came out of `batches`.

        TensorFlow hides what a Python source raised in an error of its own; here
        the original one is named.

        Args:
            error: What was caught.
            batch: Number of the batch that was asked for, from 1.
        """
        if self._failure is not None:
            return self._failure
        return self._named_failure(error, batch)

    def _named_failure(self, error: BaseException, batch: int) -> StreamError:
        return StreamError(
            f"The {self.what} stream failed at batch {batch}: "
            f"{type(error).__name__}: {reason_of(error)}"
        )

    def __repr__(self) -> str:
        """Return kind and length, without reading anything."""
        steps = "unknown" if self.steps is None else f"{self.steps:,}"
        return f"<Stream of {type(self._source).__name__.lstrip('_')}: {steps} steps>"


def is_stream(source: Any) -> bool:
    """Return whether a value is something that `Stream` takes.

    Example:
        >>> is_stream(lambda: iter([])), is_stream(np.zeros(3))
        (True, False)
    """
    if isinstance(source, (type, Stream)):
        return isinstance(source, Stream)
    return is_tf_data(source) or is_py_dataset(source) or callable(source)
