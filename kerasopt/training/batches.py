"""The batches of a dataset: which source gives them, in which order and size."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import augment, tasks
from kerasopt.data import Dataset, Stream, count, pipeline
from kerasopt.data.checks import is_lazy
from kerasopt.data.pixels import range_of_values, scale_of_new
from kerasopt.data.splits import class_indices
from kerasopt.training.class_weights import class_weights
from kerasopt.training.label_mixing import LabelMixing
from kerasopt.training.sources import ArraySource, Source, StreamSource, as_keras_does
from kerasopt.training.spec import TrainingSettings

__all__ = [
    "Feed",
    "affordable_batch",
    "check_size",
    "evaluation_batch_size",
    "steps_per_epoch",
]

EVALUATION_BYTES, MOST_EVALUATED = 4 * 2**20, 1024
"""A batch of validation or prediction has so many bytes of input, samples at most."""


class Feed:
    """The batches of one dataset; trainings with the same settings share them.

    Args:
        dataset: The data.
        class_weight: None, ``"balanced"`` or {class: weight}, for the training part.

    Attributes:
        class_weight: As it was given.
        pixel_scale: What samples are divided by. The training decides it once.
        has_column: Whether labels ``(n,)`` are handed over as ``(n, 1)``, the shape of
            the model's outputs: a metric that someone wrote would broadcast them.
        mixing: How labels are handed over so that an augmentation can mix them, or
            None.
    """

    def __init__(self, dataset: Dataset, *, class_weight: Any = None) -> None:
        self.dataset = dataset
        self.pixel_scale = dataset.pixel_scale
        self.has_column = False
        self.mixing: LabelMixing | None = None
        self.class_weight = class_weight
        self._class_weight = class_weights(dataset, class_weight)
        self._streams: dict[Hashable, StreamSource] = {}
        self._tensors: dict[Hashable, Any] = {}
        self._for_task: dict[str, Feed] = {}
        with tf.device("CPU:0"):
            # Where a stream starts; each new iterator reads it.
            self._start = [tf.Variable(0, dtype=tf.int64) for _ in range(2)]

    def for_task(self, task: tasks.Task) -> Feed:
        """Return the batches of the same data for another task, made once."""
        if task.name not in self._for_task:
            dataset = self.dataset.replace(task=task.name)
            self._for_task[task.name] = Feed(dataset, class_weight=self.class_weight)
        feed = self._for_task[task.name]
        feed.pixel_scale = self.pixel_scale
        return feed

    def steps_per_epoch(self, settings: TrainingSettings) -> int | None:
        """Return the steps of an epoch; None if only the end of the stream tells."""
        return steps_per_epoch(self.dataset, settings)

    def training(
        self,
        settings: TrainingSettings,
        *,
        augmentation: Any = None,
        image_size: Any = None,
        key: Hashable | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> Source:
        """Return the source of training batches.

        Args:
            settings: Batch size and seed.
            augmentation: What `kerasopt.augment.apply` takes, or None.
            image_size: As in `kerasopt.data.pipeline.training_batches`.
            key: Stands for the augmentation, where trainings share their streams.
            strategy: Several devices to share each batch.
        """
        train = self.dataset.train
        if isinstance(train, Stream):
            return self._user_stream(train, settings, augmentation, strategy)
        plain = augmentation is None and image_size is None and strategy is None
        if plain and not _is_lazy(train[0]):
            return ArraySource(
                self.tensors("train"),
                settings.batch_size,
                order=functools.partial(_order, _number(train), settings.seed),
                pixel_scale=self.pixel_scale,
            )
        if key is not None:
            key = settings.batch_size, settings.seed, key, self._form
        if key is None or key not in self._streams:
            source = self._shuffled_stream(settings, augmentation, image_size, strategy)
            if key is None:
                return source
            self._streams[key] = source
        self._streams[key].close()
        return self._streams[key]

    def _shuffled_stream(
        self,
        settings: TrainingSettings,
        augmentation: Any,
        image_size: Any,
        strategy: Any,
    ) -> StreamSource:
        x, y, weights = self._arrays("train")
        rows = None if self.mixing is None else self.mixing.rows
        batches = pipeline.training_batches(
            x,
            y,
            sample_weight=weights,
            batch_size=settings.batch_size,
            seed=settings.seed,
            augment=augmentation,
            first_epoch=self._start[0],
            first_step=self._start[1],
            image_size=image_size,
            pixel_scale=self.pixel_scale,
            value_range=self.value_range,
            label_rows=rows,
            by_weight=self.mixing is None or self.mixing.by_weight,
        )

        def at(epoch: int, step: int) -> tf.data.Dataset:
            for variable, value in zip(self._start, (epoch, step), strict=True):
                variable.assign(value)
            return batches

        return StreamSource(
            at, steps=self.steps_per_epoch(settings), endless=True, strategy=strategy
        )

    def _user_stream(
        self,
        stream: Stream,
        settings: TrainingSettings,
        augmentation: Any,
        strategy: tf.distribute.Strategy | None,
    ) -> StreamSource:
        steps = self.steps_per_epoch(settings)
        calls = pipeline.parallel_calls(augmentation)

        def at(epoch: int, step: int) -> tf.data.Dataset:
            first, batches = step, stream.batches(epoch, seed=settings.seed)
            if stream.endless:
                first = epoch * (steps or 0) + step
                batches = stream.batches(0, seed=settings.seed)

            def finished(number: tf.Tensor, batch: Any) -> Any:
                batch = self._with_rows(self._weighted(batch))
                if augmentation is not None:
                    batch = pipeline.augmented(
                        augmentation,
                        batch,
                        seed=settings.seed,
                        epoch=epoch,
                        step=number,
                        value_range=self.value_range,
                        by_weight=self.mixing is None or self.mixing.by_weight,
                    )
                x, *others = batch
                batch = pipeline.scale_all(x, self.pixel_scale), *others
                return as_keras_does(batch) if stream.is_bare else batch

            finished = augment.unconverted(finished, augmentation)
            numbered = batches.skip(first).enumerate(first)
            return pipeline.prefetched(numbered.map(finished, num_parallel_calls=calls))

        return StreamSource(
            at, steps=steps, endless=stream.endless, strategy=strategy, stream=stream
        )

    def _weighted(self, batch: Any) -> Any:
        """Multiply a batch's sample weights by those of the classes."""
        if self._class_weight is None:
            return batch
        x, y, *weights = batch
        table = tf.constant(self._class_weight, tf.float32)
        classes = tf.argmax(y, axis=-1) if y.shape.rank == 2 and y.shape[-1] > 1 else y
        of_class = tf.gather(table, tf.reshape(tf.cast(classes, tf.int32), (-1,)))
        return (x, y, of_class * weights[0] if weights else of_class)

    def evaluation(
        self,
        split: str,
        settings: TrainingSettings,
        strategy: tf.distribute.Strategy | None = None,
    ) -> Source | None:
        """Return the source of a split's batches, in order; None if it isn't there."""
        data = getattr(self.dataset, split)
        if data is None:
            return None
        size = evaluation_batch_size(self.dataset, settings)
        if isinstance(data, Stream):
            scale = scale_of_new(data.first()[0], self.pixel_scale)

            @augment.unconverted
            def scaled(*batch: Any) -> Any:
                x, *others = self._with_rows(batch)
                batch = pipeline.scale_all(x, scale), *others
                return as_keras_does(batch) if data.is_bare else batch

            return StreamSource(
                lambda epoch, step: data.batches(0).map(scaled),
                steps=data.steps,
                endless=False,
                strategy=strategy,
                stream=data,
            )
        if strategy is None and not _is_lazy(data[0]):
            return ArraySource(self.tensors(split), size, pixel_scale=self.pixel_scale)
        x, y, weights = self._arrays(split)
        batches = pipeline.evaluation_batches(
            x,
            y if self.mixing is None else self.mixing.rows(y),
            sample_weight=weights,
            batch_size=size,
            pixel_scale=self.pixel_scale,
        )
        steps = pipeline.steps_per_epoch(_number(data), size)
        return StreamSource(
            lambda epoch, step: batches, steps=steps, endless=False, strategy=strategy
        )

    def tensors(self, split: str) -> Any:
        """Return a split's arrays as tensors, made once."""
        key = split, self._form
        if key not in self._tensors:
            parts = self._with_rows(pipeline.parts_of(*self._arrays(split)))
            self._tensors[key] = pipeline.as_tensors(parts)
        return self._tensors[key]

    @property
    def _form(self) -> Hashable:
        """The form of the labels, which differs from model to model."""
        return self.has_column, self.mixing

    def labels_as_trained(self, y: Any) -> Any:
        """Return labels in the shape in which the model's loss gets them."""
        y = self._with_column(y)
        return y if self.mixing is None else self.mixing.rows(y)

    def _with_column(self, y: Any) -> Any:
        return y[:, np.newaxis] if self.has_column and y.ndim == 1 else y

    def _with_rows(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a batch with labels that can be mixed, where they will be."""
        if self.mixing is None:
            return batch
        x, y, *weights = batch
        return x, self.mixing.rows(y), *weights

    @functools.cached_property
    def value_range(self) -> tuple[float, float] | None:
        """Lowest and highest value of images before they are scaled; None of others."""
        train = self.dataset.train
        x = train.first()[0] if isinstance(train, Stream) else train[0]
        return range_of_values(x, self.dataset.pixel_scale)

    def _arrays(self, split: str) -> tuple[Any, Any, Any]:
        """Return samples, labels as they are handed over, and weights."""
        x, y = getattr(self.dataset, split)
        weights = self.dataset.weights.get(split)
        if split == "train":
            weights = self._train_weights(y, weights)
        return x, self._with_column(y), weights

    def _train_weights(self, y: Any, weights: Any) -> Any:
        if self._class_weight is None:
            return weights
        of_class = self._class_weight[class_indices(y)]
        return of_class if weights is None else of_class * weights

    def some(self, samples: int) -> Any:
        """Return the first training samples as a batch that the model can take."""
        train = self.dataset.train
        if isinstance(train, Stream):
            parts = train.first()
        else:
            parts = pipeline.parts_of(*self._arrays("train"))
        cut = keras.tree.map_structure(lambda each: each[:samples], parts)
        x, *others = pipeline.as_tensors(self._with_rows(cut))
        return (pipeline.scale_all(x, self.pixel_scale), *others)

    def drawn(self, samples: int, seed: int) -> Any:
        """Return samples of the first batch, without augmentation; see `some`."""
        train = self.dataset.train
        if isinstance(train, Stream):
            return self.some(samples)
        rows = _order(_number(train), seed, 0)[:samples]
        parts = pipeline.parts_of(*self._arrays("train"))
        taken = keras.tree.map_structure(lambda each: each[rows], parts)
        x, *others = pipeline.as_tensors(self._with_rows(taken))
        return (pipeline.scale_all(x, self.pixel_scale), *others)

    def as_handed_over(self, batch: tuple[Any, ...]) -> Any:
        """Return what `some` gave as a step of the training gets it."""
        train = self.dataset.train
        is_bare = not isinstance(train, Stream) or train.is_bare
        return as_keras_does(batch) if is_bare else batch

    def to_adapt(self) -> Any:
        """Return the samples that layers adapt to."""
        train = self.dataset.train
        x = train.first()[0] if isinstance(train, Stream) else train[0]
        return pipeline.some_samples(x, pixel_scale=self.pixel_scale)


def steps_per_epoch(dataset: Dataset, settings: TrainingSettings) -> int | None:
    """Return the steps of an epoch; None if only the end of the stream tells."""
    train = dataset.train
    if isinstance(train, Stream):
        return settings.steps_per_epoch or train.steps
    return pipeline.steps_per_epoch(_number(train), settings.batch_size)


def evaluation_batch_size(dataset: Dataset, settings: TrainingSettings) -> int:
    """Return the samples in a batch of validation and prediction.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits", size=100)
        >>> evaluation_batch_size(digits, TrainingSettings(batch_size=32))
        1024
    """
    if settings.evaluation_batch_size is not None:
        return settings.evaluation_batch_size
    if isinstance(dataset.train, Stream):
        return settings.batch_size
    return max(settings.batch_size, affordable_batch(dataset.train[0]))


def affordable_batch(x: Any) -> int:
    """Return how many samples of an array, or of several, 4 MiB of floats hold."""
    numbers = sum(math.prod(each.shape[1:]) for each in keras.tree.flatten(x))
    return max(1, min(EVALUATION_BYTES // (4 * max(1, numbers)), MOST_EVALUATED))


def _number(pair: Any) -> int:
    """Return the number of samples of a pair, which unlike a stream's is known."""
    return count(pair) or 0


def _is_lazy(x: Any) -> bool:
    return any(is_lazy(each) for each in keras.tree.flatten(x))


def _order(samples: int, seed: int, epoch: int) -> np.ndarray:
    return pipeline.order(samples, seed, epoch).numpy()


def check_size(dataset: Dataset, settings: TrainingSettings, given: bool) -> list[str]:
    """Refuse a size of batches given for a stream, which has them; note a recipe's.

    Args:
        dataset: The data.
        settings: The training's.
        given: Whether the size was given by the call.

    Returns:
        The notes, none or one.
    """
    train = dataset.train
    if not isinstance(train, Stream) or train.batch_size == settings.batch_size:
        return []
    has_none = (
        f"batch_size={settings.batch_size} has no effect on a stream, whose first "
        f"batch has {train.batch_size} samples."
    )
    if given:
        raise ValueError(
            f"{has_none} Leave it out, or make the stream's batches of that size."
        )
    return [has_none] if "batch_size" in settings.model_fields_set else []
