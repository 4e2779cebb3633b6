"""From arrays to batches: tf.data streams for training and evaluation.

Pixels stay uint8 until the last step, which divides them by 255; float arrays
pass as they are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerasopt import augment

__all__ = [
    "evaluation_batches",
    "order",
    "predict",
    "scale",
    "some_samples",
    "steps_per_epoch",
    "training_batches",
]

BATCHES_AHEAD = 2
"""Batches that wait for the training step: one to take, one in reserve."""

SAMPLES_TO_ADAPT = 5000
"""Enough for statistics of pixels; airbench94 whitens with as many."""

MOST_PARALLEL_CALLS = 8
"""Batches in the making at a time, however many cores there are: each takes memory."""


def steps_per_epoch(num_samples: int, batch_size: int) -> int:
    """Return the number of batches that hold every sample once.

    Example:
        >>> steps_per_epoch(50_000, 32)
        1563
    """
    return math.ceil(num_samples / batch_size)


def scale(images: Any) -> tf.Tensor:
    """Return uint8 pixels as float32 in [0, 1], other numbers as float32.

    Example:
        >>> scale(np.array([0, 255], "uint8")).numpy().tolist()
        [0.0, 1.0]
    """
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    return tf.cast(images, tf.float32)


def some_samples(x: np.ndarray) -> np.ndarray:
    """Return what layers adapt to: the first samples, as the model will see them.

    Example:
        >>> some_samples(np.full((6000, 2), 255, "uint8")).shape
        (5000, 2)
    """
    return scale(x[:SAMPLES_TO_ADAPT]).numpy()


def training_batches(
    x: np.ndarray,
    y: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augmentation: Any = None,
    first_epoch: int = 0,
    only_epoch: tf.Variable | None = None,
    image_size: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
) -> tf.data.Dataset:
    """Return the endless stream of shuffled, augmented training batches.

    Every epoch is `steps_per_epoch` batches that hold each sample once, the last
    one smaller if need be. Order and augmentation of epoch e depend on
    ``(seed, e)`` alone, so a resumed training sees what an unbroken one would.

    Args:
        x: Samples, uint8 or float, shape (n, ...).
        y: Labels, shape (n,) or (n, classes).
        batch_size: Samples in a batch, over all replicas.
        seed: Any integer.
        augmentation: What `kerasopt.augment.apply` takes, or None.
        first_epoch: Where the stream starts.
        only_epoch: Holds the number of an epoch. The stream then has this one epoch
            and ends; each new iteration reads the number again.
        image_size: Function of (epoch, step) that returns the side in pixels to
            which the batch's images are brought, or 0 for their own size.

    Returns:
        A `tf.data.Dataset` of (images float32, labels) pairs.

    Example:
        >>> x, y = np.zeros((5, 2), "float32"), np.arange(5)
        >>> batches = training_batches(x, y, batch_size=3, seed=0)
        >>> [len(labels) for _, labels in batches.take(4)]
        [3, 2, 3, 2]
    """
    num_samples = len(x)
    # The arrays are handed over once; each batch then gathers its own rows.
    with tf.device("CPU:0"):
        samples, labels = tf.constant(x), tf.constant(y)

    def shuffled_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffled = order(num_samples, seed, epoch)
        rows = tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)
        return rows.enumerate().map(lambda step, indices: (epoch, step, indices))

    def load(epoch: tf.Tensor, step: tf.Tensor, rows: tf.Tensor) -> Any:
        images = tf.gather(samples, rows)
        if augmentation is not None:
            batch_seed = tf.stack([seed + 1 + epoch * 1_000_003, step])
            dtype = images.dtype
            images = augment.apply(
                augmentation, images, batch_seed, rows=rows, epoch=epoch, run_seed=seed
            )
            if dtype == tf.uint8 and images.dtype != tf.uint8:
                images = images / 255.0  # ImageDataGenerator answers in floats.
        images = scale(images)
        if image_size is not None:
            images = _resize(images, image_size(epoch, step))
        return images, tf.gather(labels, rows)

    epochs = tf.data.Dataset.counter(first_epoch)
    if only_epoch is not None:
        epochs = tf.data.Dataset.range(1).map(lambda _: only_epoch.read_value())
    batches = epochs.flat_map(shuffled_batches)
    batches = batches.map(load, num_parallel_calls=_parallel_calls(augmentation))
    return _prefetched(batches)


def order(num_samples: int, seed: int, epoch: Any) -> tf.Tensor:
    """Return the order of an epoch's samples, a function of seed and epoch alone.

    Example:
        >>> sorted(order(4, seed=0, epoch=1).numpy().tolist())
        [0, 1, 2, 3]
    """
    both = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(num_samples), seed=both)


def evaluation_batches(
    x: np.ndarray, y: np.ndarray | None = None, *, batch_size: int = 512
) -> tf.data.Dataset:
    """Return the samples once, in order, as batches of (images, labels) or images.

    Example:
        >>> batches = evaluation_batches(np.zeros((5, 2)), np.arange(5), batch_size=4)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[0, 1, 2, 3], [4]]
    """
    with tf.device("CPU:0"):
        arrays = tf.constant(x) if y is None else (tf.constant(x), tf.constant(y))
    batches = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
    if y is None:
        return _prefetched(batches.map(scale))
    return _prefetched(batches.map(lambda images, labels: (scale(images), labels)))


def predict(model: Any, x: np.ndarray, *, batch_size: int = 512) -> np.ndarray:
    """Return what a Keras model predicts for uint8 or already scaled samples.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
        >>> predict(model, np.zeros((1, 2), "uint8")).tolist()
        [[0.5, 0.5]]
    """
    return model.predict(evaluation_batches(x, batch_size=batch_size), verbose=0)


def _resize(images: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Bring images to side × side pixels, or leave them if side is 0."""
    side = tf.convert_to_tensor(side)

    def smaller() -> tf.Tensor:
        # Antialiased: without it a smaller image shows moiré.
        return tf.image.resize(images, tf.stack([side, side]), antialias=True)

    resized = tf.cond(side > 0, smaller, lambda: images)
    return tf.ensure_shape(resized, [*images.shape[:1], None, None, images.shape[-1]])


def _parallel_calls(augmentation: Any) -> int:
    # ImageDataGenerator draws from NumPy's one global state, so it may not run
    # in two threads at a time.
    if isinstance(augmentation, augment.ImageDataGenerator):
        return 1
    return min(os.cpu_count() or 1, MOST_PARALLEL_CALLS)


def _prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Make batches ahead of their use, without tf.data's autotuning.

    The end of an autotuned iterator waits for its tuning thread, which now and then
    sleeps through the call to stop, for up to a minute: TensorFlow 2.21 wakes it
    before it marks the iterator as cancelled. docs/architecture.md has a measurement.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(BATCHES_AHEAD).with_options(options)
