"""Sources of a stream: tf.data pipelines, PyDatasets and generator functions."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasopt.data.parallel import in_threads
from kerasopt.data.stream_batches import as_batch

__all__ = ["adapt", "is_py_dataset", "is_tf_data"]


def is_tf_data(source: Any) -> bool:
    """Return whether a value is a `tf.data.Dataset`.

    Example:
        >>> is_tf_data([1, 2])
        False
    """
    # A dataset can only exist if TensorFlow was imported.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(source, tensorflow.data.Dataset)


def is_py_dataset(source: Any) -> bool:
    """Return whether a value is a `keras.utils.PyDataset`.

    Example:
        >>> is_py_dataset([1, 2])
        False
    """
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(source, keras.utils.PyDataset)


def adapt(source: Any, what: str) -> Any:
    """Give a source of batches the interface that `Stream` reads.

    Args:
        source: A `tf.data.Dataset`, a `keras.utils.PyDataset`, or a function that
            returns a new iterator of batches at each call.
        what: How messages call it.

    Returns:
        An object with `steps`, `endless`, `first_batches`, and either `dataset` (a
        ready pipeline) or `epoch` (an iterator of batches).

    Raises:
        TypeError: if the source is of another kind.

    Example:
        >>> adapt(lambda: iter([]), "train").endless
        False
    """
    if is_tf_data(source):
        return _TfData(source)
    if is_py_dataset(source):
        return _PyDataset(source)
    if callable(source) and not isinstance(source, type):
        return _Factory(source)
    if hasattr(source, "__next__"):
        raise TypeError(
            f"{what} is a {type(source).__name__}, which can be read only once. Give "
            "the function that makes it, without calling it."
        )
    raise TypeError(
        f"{what} is a {type(source).__name__}. Accepted as a stream: a batched "
        "tf.data.Dataset, a keras.utils.PyDataset, or a function that returns an "
        "iterator of batches (of another iterable: lambda: iter(loader))."
    )


class _TfData:
    """A `tf.data.Dataset` of the user's."""

    def __init__(self, dataset: Any) -> None:
        # Keras's fit hands such an element to a step as it is, not as a tuple of one.
        self.is_bare = not isinstance(dataset.element_spec, (tuple, list))
        spec = dataset.element_spec
        as_batch((spec,) if self.is_bare else tuple(spec))  # Or AutoGraph says it.
        self._dataset = dataset.map(lambda *parts: as_batch(parts))
        size = int(dataset.cardinality())
        self.endless = size == -1
        self.steps = size if size >= 0 else None

    def element_spec(self) -> Any:
        return self._dataset.element_spec

    def dataset(self, *, endless: bool) -> Any:
        return self._dataset.repeat() if endless else self._dataset

    def first_batches(self, count: int) -> Iterator[Any]:
        yield from self._dataset.take(count)


class _PyDataset:
    """A `keras.utils.PyDataset`, read by as many threads as it asks for."""

    is_bare = False

    def __init__(self, source: Any) -> None:
        self._source = source
        try:
            self.steps: int | None = source.num_batches
        except NotImplementedError as error:
            raise ValueError(
                f"The {type(source).__name__} doesn't say how many batches it has: "
                "define its __len__, or its property num_batches as None if it never "
                "ends."
            ) from error
        self.endless = self.steps is None

    def element_spec(self) -> None:
        return None

    def dataset(self, *, endless: bool) -> None:
        del endless

    def first_batches(self, count: int) -> Iterator[Any]:
        for index in range(count if self.steps is None else min(count, self.steps)):
            yield self._source[index]

    def epoch(self, epoch: int, seed: int | None) -> Iterator[Any]:
        self._source.on_epoch_begin()
        yield from self._in_parallel(self._order(epoch, seed))
        self._source.on_epoch_end()

    def _order(self, epoch: int, seed: int | None) -> Any:
        if self.steps is None:
            return itertools.count()
        if seed is None:
            return range(self.steps)
        return np.random.default_rng([seed, epoch]).permutation(self.steps).tolist()

    def _in_parallel(self, order: Any) -> Iterator[Any]:
        workers = max(1, int(self._source.workers))
        if workers == 1:
            yield from (self._source[index] for index in order)
            return
        yield from in_threads(
            self._source.__getitem__,
            order,
            threads=workers,
            ahead=max(workers, int(self._source.max_queue_size)),
        )


class _Factory:
    """A function that returns a new iterator of batches at each call."""

    is_bare = False
    steps = None
    endless = False

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory

    def element_spec(self) -> None:
        return None

    def dataset(self, *, endless: bool) -> None:
        del endless

    def first_batches(self, count: int) -> Iterator[Any]:
        yield from itertools.islice(self.epoch(0, None), count)

    def epoch(self, epoch: int, seed: int | None) -> Iterator[Any]:
        del epoch, seed
        made = self._factory()
        if not hasattr(made, "__iter__"):
            raise TypeError(
                f"the function given as a stream returned a {type(made).__name__}; "
                "it must return an iterator of batches (x, y)"
            )
        iterator = iter(made)
        try:
            yield from iterator
        finally:
            if hasattr(iterator, "close"):
                iterator.close()
