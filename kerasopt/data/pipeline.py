"""From arrays to batches: tf.data streams for training and evaluation.

Samples keep their dtype until the last step, which divides them by the data's
`pixel_scale`: 255 for pixels, 1 for everything else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerasopt import augment as augmentations
from kerasopt.data.checks import is_lazy
from kerasopt.data.image_pipeline import batch_reader, image_decoder
from kerasopt.data.scaling import scale, scale_all, some_samples
from kerasopt.data.structure import first_leaf, leaves, map_leaves
from kerasopt.names import renamed_arguments

__all__ = [
    "as_tensors",
    "augmented",
    "evaluation_batches",
    "order",
    "parallel_calls",
    "parts_of",
    "predict",
    "prefetched",
    "scale",
    "scale_all",
    "some_samples",
    "steps_per_epoch",
    "training_batches",
]

BATCHES_AHEAD = 2
"""Batches that wait for the training step: one to take, one in reserve."""

IMAGES_AT_A_TIME = 8
"""Images that are decoded while a batch is put together: 3 % faster than one a core."""

MOST_PARALLEL_CALLS = 8
"""Batches that are made at a time, however many cores there are: each takes memory."""


def steps_per_epoch(num_samples: int, batch_size: int) -> int:
    """Return the number of batches that hold every sample once.

    Example:
        >>> steps_per_epoch(50_000, 32)
        1563
    """
    return math.ceil(num_samples / batch_size)


@renamed_arguments(augmentation="augment")
def training_batches(
    x: Any,
    y: Any,
    *,
    batch_size: int,
    seed: int,
    augment: Any = None,
    first_epoch: Any = 0,
    first_step: Any = 0,
    image_size: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    pixel_scale: float | None = None,
    sample_weight: Any = None,
    value_range: tuple[float, float] | None = None,
    label_rows: Callable[[Any], Any] | None = None,
    by_weight: bool = True,
) -> tf.data.Dataset:
    """Return the endless stream of shuffled, augmented training batches.

    Every epoch is `steps_per_epoch` batches that hold each sample once, the last one
    smaller if need be. Order and augmentation of a batch depend on ``(seed, epoch,
    step)`` alone, so a resumed training sees what an unbroken one would.

    Args:
        x: Samples, shape (n, ...); also a dict or tuple of arrays, or
            `kerasopt.data.image_files.ImageFiles`.
        y: Labels, shape (n,) or (n, classes); also a dict or tuple, or None.
        batch_size: Samples in a batch, over all replicas.
        seed: Any integer.
        augment: What `kerasopt.augment.apply` takes, or None.
        first_epoch: Where the stream starts: a number, or a `tf.Variable` that each
            new iterator reads.
        first_step: The step of the first epoch to start with, likewise.
        image_size: Function of (epoch, step) that returns the side in pixels to
            which the batch's images are brought, or 0 for their own size.
        pixel_scale: By what samples are divided: see `scale`.
        sample_weight: Weight of each sample, or None.
        value_range: Lowest and highest value of the samples, if it is known: what
            augmentations of brightness and the like go by.
        label_rows: Function from a batch's labels to rows that can be mixed, or None.
        by_weight: As in `kerasopt.augment.mix_labels`.

    Returns:
        A `tf.data.Dataset` of (images float32, labels) pairs; of (x,) without
        labels, and of (x, y, weights) with weights.

    Example:
        >>> x, y = np.zeros((5, 2), "float32"), np.arange(5)
        >>> batches = training_batches(x, y, batch_size=3, seed=0)
        >>> [len(labels) for _, labels in batches.take(4)]
        [3, 2, 3, 2]
    """
    num_samples = len(first_leaf(x))
    read, decode = _reader(x), image_decoder(x)
    read_labels = [_reader(part) for part in parts_of(y, sample_weight)]

    @augmentations.unconverted
    def shuffled_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        is_first = tf.equal(epoch, _integer(first_epoch))
        start = tf.where(is_first, _integer(first_step), 0)
        shuffled = order(num_samples, seed, epoch)[start * batch_size :]
        rows = tf.data.Dataset.from_tensor_slices(shuffled)
        batches = _row_batches(rows, decode, batch_size)
        return batches.enumerate(start).map(lambda step, parts: (epoch, step, *parts))

    def load(epoch: tf.Tensor, step: tf.Tensor, rows: tf.Tensor, *images: Any) -> Any:
        images = images[0] if images else read(rows)
        divisor = _divisor(images, pixel_scale)
        others = [read_part(rows) for read_part in read_labels]
        if label_rows is not None:
            others[0] = label_rows(others[0])
        if augment is not None:
            # ImageDataGenerator and others answer in floats, unscaled.
            images, *others = augmented(
                augment,
                (images, *others),
                seed=seed,
                epoch=epoch,
                step=step,
                rows=rows,
                value_range=value_range,
                by_weight=by_weight,
            )
        images = scale_all(images, divisor)
        if image_size is not None:
            images = _resize(images, image_size(epoch, step))
        return (images, *others)

    epochs = tf.data.Dataset.counter()
    epochs = epochs.map(augmentations.unconverted(lambda n: n + _integer(first_epoch)))
    batches = epochs.flat_map(shuffled_batches)
    load = augmentations.unconverted(load, augment)
    batches = batches.map(load, num_parallel_calls=parallel_calls(augment))
    return prefetched(batches)


def _integer(value: Any) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(value), tf.int64)


def augmented(
    augmentation: Any,
    batch: tuple[Any, ...],
    *,
    seed: int,
    epoch: Any,
    step: Any,
    rows: tf.Tensor | None = None,
    value_range: tuple[float, float] | None = None,
    by_weight: bool = True,
) -> tuple[Any, ...]:
    """Augment a batch by random numbers that (seed, epoch, step) alone decide.

    Args:
        augmentation: What `kerasopt.augment.apply` takes.
        batch: (x,), (x, y) or (x, y, sample_weight).
        seed: The training's seed.
        epoch: Number of the epoch.
        step: Number of the batch in it.
        rows: Numbers of the samples; by default as they stand in the batch.
        value_range: Lowest and highest value of the samples, if it is known.
        by_weight: As in `kerasopt.augment.mix_labels`.
    """
    epoch = _integer(epoch)
    images, *others = batch
    if rows is None:
        rows = tf.range(tf.shape(images)[0])
    return augmentations.apply_to_batch(
        augmentation,
        (_for_augmentation(images), *others),
        tf.stack([seed + 1 + epoch * 1_000_003, _integer(step)]),
        by_weight=by_weight,
        rows=rows,
        epoch=epoch,
        run_seed=seed,
        value_range=value_range,
    )


def parts_of(x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """Return the parts of a batch as Keras takes them: (x,), (x, y), (x, y, weights).

    Example:
        >>> parts_of([1.0], [0])
        ([1.0], [0])
    """
    parts = (x, y, sample_weight)
    return tuple(part for part in parts if part is not None)


def as_tensors(parts: Any) -> Any:
    """Return arrays as tensors in main memory, in their structure.

    Example:
        >>> as_tensors((np.zeros((2, 3), "float32"),))[0].shape.as_list()
        [2, 3]
    """
    with tf.device("CPU:0"):
        return tuple(map_leaves(tf.constant, part) for part in parts)


def _reader(values: Any) -> Callable[[tf.Tensor], Any]:
    """Return a function from row numbers to those rows of each array."""

    def reader(array: Any) -> Callable[[tf.Tensor], tf.Tensor]:
        if is_lazy(array):
            return batch_reader(array)
        # The array is handed over once; each batch then gathers its own rows.
        with tf.device("CPU:0"):
            held = tf.constant(array)
        return lambda rows: tf.gather(held, rows)

    readers = map_leaves(reader, values)
    return lambda rows: map_leaves(lambda read: read(rows), readers)


def _row_batches(
    rows: tf.data.Dataset,
    decode: Callable[[tf.Tensor], tf.Tensor] | None,
    batch_size: int,
) -> tf.data.Dataset:
    """Return batches of row numbers, with images if those are decoded one by one."""
    if decode is None:
        return rows.batch(batch_size).map(lambda batch: (batch,))
    images = rows.map(
        lambda row: (row, decode(row)), num_parallel_calls=IMAGES_AT_A_TIME
    )
    return images.batch(batch_size)


def _divisor(samples: Any, pixel_scale: float | None) -> float | None:
    """Return the pixel scale of a batch, decided before augmentation makes floats."""
    if pixel_scale is None and getattr(samples, "dtype", None) == tf.uint8:
        return 255.0
    return pixel_scale


def _for_augmentation(images: tf.Tensor) -> tf.Tensor:
    """Return images in a dtype that augmentations take: uint8 or floats."""
    if images.dtype.is_floating or images.dtype == tf.uint8:
        return images
    return tf.cast(images, tf.float32)


def order(num_samples: int, seed: int, epoch: Any) -> tf.Tensor:
    """Return the order of an epoch's samples, a function of seed and epoch alone.

    Example:
        >>> sorted(order(4, seed=0, epoch=1).numpy().tolist())
        [0, 1, 2, 3]
    """
    both = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(num_samples), seed=both)


def evaluation_batches(
    x: Any,
    y: Any = None,
    *,
    batch_size: int = 512,
    pixel_scale: float | None = None,
    sample_weight: Any = None,
) -> tf.data.Dataset:
    """Return the samples once, in order, as batches of (images, labels) or images.

    Args:
        x: Samples, as for `training_batches`.
        y: Labels, or None.
        batch_size: Samples in a batch.
        pixel_scale: By what samples are divided: see `scale`.
        sample_weight: Weight of each sample, or None.

    Returns:
        A `tf.data.Dataset` of (x, y) pairs, of (x, y, weights) with weights, and of
        x alone without labels, of (x,) if that is a tuple.

    Example:
        >>> batches = evaluation_batches(np.zeros((5, 2)), np.arange(5), batch_size=4)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[0, 1, 2, 3], [4]]
    """
    read = _reader(x)
    read_labels = [_reader(part) for part in parts_of(y, sample_weight)]

    @augmentations.unconverted
    def load(rows: tf.Tensor, *images: Any) -> Any:
        samples = scale_all(images[0] if images else read(rows), pixel_scale)
        parts = [read_part(rows) for read_part in read_labels]
        # Keras would take a tuple of inputs alone for (x, y).
        return (samples, *parts) if parts or isinstance(samples, tuple) else samples

    rows = tf.data.Dataset.range(len(first_leaf(x)))
    batches = _row_batches(rows, image_decoder(x), batch_size)
    calls = parallel_calls(None) if _has_files(x) else None
    return prefetched(batches.map(load, num_parallel_calls=calls))


def _has_files(x: Any) -> bool:
    return any(is_lazy(array) for _, array in leaves(x))


def predict(
    model: Any, x: Any, *, batch_size: int = 512, pixel_scale: float | None = None
) -> np.ndarray:
    """Return what a Keras model predicts for samples as the dataset holds them.

    Args:
        model: The model.
        x: Samples, as for `training_batches`.
        batch_size: Samples in a batch.
        pixel_scale: By what samples are divided: see `scale`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
        >>> predict(model, np.zeros((1, 2), "uint8")).tolist()
        [[0.5, 0.5]]
    """
    batches = evaluation_batches(x, batch_size=batch_size, pixel_scale=pixel_scale)
    return model.predict(batches, verbose=0)


def _resize(images: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Bring images to side × side pixels, or leave them if side is 0."""
    side = tf.convert_to_tensor(side)

    def smaller() -> tf.Tensor:
        # Antialiased: without it a smaller image shows moiré.
        return tf.image.resize(images, tf.stack([side, side]), antialias=True)

    resized = tf.cond(side > 0, smaller, lambda: images)
    return tf.ensure_shape(resized, [*images.shape[:1], None, None, images.shape[-1]])


def parallel_calls(augmentation: Any) -> int:
    """Return how many batches may be made at a time."""
    # ImageDataGenerator draws from NumPy's one global state, so it may not run
    # in two threads at a time.
    steps = augmentations.steps(augmentation)
    if any(isinstance(step, augmentations.ImageDataGenerator) for step in steps):
        return 1
    return min(os.cpu_count() or 1, MOST_PARALLEL_CALLS)


def prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Make batches ahead of their use, without tf.data's autotuning.

    The end of an autotuned iterator waits for its tuning thread, which now and then
    sleeps through the call to stop, for up to a minute: TensorFlow 2.21 wakes it
    before it marks the iterator as cancelled. docs/architecture.md has a measurement.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(BATCHES_AHEAD).with_options(options)
