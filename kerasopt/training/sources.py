"""Where a training takes its batches: arrays in memory, or a tf.data stream.

Both hand their batches to one loop (`kerasopt.training.trainer`). A source is at a
position (epoch, step), all that a checkpoint needs to know of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt.data import Stream, pipeline

__all__ = ["ArraySource", "Source", "StreamSource", "as_keras_does", "gather"]

Order = Callable[[int], np.ndarray]


class ArraySource:
    """Samples in memory. The compiled call itself gathers the rows of a batch.

    Args:
        arrays: The parts of a batch, (x,), (x, y) or (x, y, sample_weight), nested as
            the model takes them: tensors with samples along the first axis.
        batch_size: Samples in a step; the last step of an epoch may have fewer.
        order: Function from an epoch to the order of its rows; by default as they are.
        pixel_scale: What x is divided by, if it isn't 1.

    Attributes:
        steps: Steps of an epoch.
    """

    def __init__(
        self,
        arrays: Any,
        batch_size: int,
        *,
        order: Order | None = None,
        pixel_scale: float = 1.0,
    ) -> None:
        self.arrays = arrays
        self.batch_size = batch_size
        self.pixel_scale = pixel_scale
        self.samples = int(keras.tree.flatten(arrays)[0].shape[0])
        self.steps: int | None = math.ceil(self.samples / batch_size)
        self._order = order
        self.rows = np.arange(0)

    def begin(self, epoch: int, step: int = 0) -> None:
        """Go to a step of an epoch."""
        order = self._order(epoch) if self._order else np.arange(self.samples)
        self.rows = np.asarray(order[step * self.batch_size :], "int32")

    @property
    def full_batches(self) -> int:
        """Batches that remain of the epoch, without a smaller one at its end."""
        return len(self.rows) // self.batch_size

    def take(self, steps: int) -> np.ndarray:
        """Return the rows of the next steps."""
        end = steps * self.batch_size
        rows, self.rows = self.rows[:end], self.rows[end:]
        return rows

    def close(self) -> None:
        """Forget the position."""
        self.rows = np.arange(0)


def gather(arrays: Any, rows: tf.Tensor, pixel_scale: float = 1.0) -> Any:
    """Return the batch of some rows of an `ArraySource`'s arrays."""
    x, *others = keras.tree.map_structure(lambda each: tf.gather(each, rows), arrays)
    return as_keras_does((pipeline.scale_all(x, pixel_scale), *others))


def as_keras_does(batch: tuple[Any, ...]) -> Any:
    """Return samples without labels as Keras's fit hands them to a step: alone.

    Example:
        >>> as_keras_does((1,)), as_keras_does((1, 2)), as_keras_does(((1, 2),))
        (1, (1, 2), ((1, 2),))
    """
    is_single = len(batch) == 1 and not isinstance(batch[0], tuple)
    return batch[0] if is_single else batch


class StreamSource:
    """Batches of a tf.data stream.

    Args:
        batches: Function from a position (epoch, step) to the stream that starts there.
        steps: Steps of an epoch, or None if only the end of the stream tells.
        endless: Whether one stream serves all epochs, counted in steps.
        strategy: Shares each batch among its devices, if there are several.
        stream: The user's stream behind it, which can name what went wrong.
    """

    def __init__(
        self,
        batches: Callable[[int, int], tf.data.Dataset],
        *,
        steps: int | None,
        endless: bool,
        strategy: tf.distribute.Strategy | None = None,
        stream: Stream | None = None,
    ) -> None:
        self._batches = batches
        self.steps = steps
        self.endless = endless
        self.strategy = strategy
        self.stream = stream
        self._position: tuple[int, int] | None = None
        self.iterator: Any = None

    def begin(self, epoch: int, step: int = 0) -> None:
        """Go to a step of an epoch."""
        if self.endless and self._position == (epoch, step):
            return  # Where the iterator is anyway.
        batches = self._batches(epoch, step)
        if self.strategy is not None:
            batches = self.strategy.experimental_distribute_dataset(batches)
        self.iterator = iter(batches)
        self._position = (epoch, step)

    def passed(self, steps: int) -> None:
        """Note that so many batches were taken."""
        if self._position is None:
            return
        epoch, step = self._position
        step += steps
        if self.steps is not None and step >= self.steps:
            epoch, step = epoch + 1, 0
        self._position = (epoch, step)

    def close(self) -> None:
        """Let the iterator and its threads go."""
        self.iterator = self._position = None


Source = ArraySource | StreamSource
