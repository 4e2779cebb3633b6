"""What must hold before a training starts, found on a few samples.

Whatever would fail after the training fails here, in a sentence that names what the
model gives, what the labels are, and the fix.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import evaluation, tasks
from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.stream_batches import reason_of
from kerasopt.layers import graph
from kerasopt.training.checkpoint import optimizers_of
from kerasopt.training.head import Head, outputs_of
from kerasopt.training.spec import TrainingSettings

__all__ = [
    "check_batch_size",
    "check_data",
    "check_fit",
    "check_inputs",
    "check_is_dataset",
    "check_views",
    "enough_memory",
    "explained",
    "name_of",
    "try_batch",
]

SAMPLES = 8
"""Samples of the preflight; enough to tell probabilities from logits."""


def check_is_dataset(dataset: Any) -> None:
    """Refuse what isn't a dataset."""
    if not isinstance(dataset, Dataset):
        raise ValueError(
            "dataset must be a kerasopt Dataset; given: "
            f"{type(dataset).__name__}. Wrap arrays with "
            "kerasopt.data.from_arrays(x, y, test=(x_test, y_test))."
        )


def check_data(dataset: Any, settings: TrainingSettings) -> None:
    """Refuse what isn't a dataset, a watch on data that aren't there, stub epochs."""
    check_is_dataset(dataset)
    watched = settings.monitor
    if dataset.validation is None and settings.patience and watched.startswith("val_"):
        raise ValueError(
            f"training.patience={settings.patience} watches {watched}, but the dataset "
            "has no validation part. Give validation_data=(x, y), load or make the "
            "data with validation=0.1, or set patience=None."
        )
    if settings.patience and settings.validation_freq > 1:
        raise ValueError(
            f"training.patience={settings.patience} counts validations of every "
            f"epoch: leave validation_freq={settings.validation_freq} out."
        )
    if not isinstance(dataset.train, Stream):
        _check_steps(dataset, settings)


def _check_steps(dataset: Dataset, settings: TrainingSettings) -> None:
    samples = dataset.sizes["train"]
    counted = pipeline.steps_per_epoch(samples, settings.batch_size)
    if settings.steps_per_epoch not in (None, counted):
        raise ValueError(
            f"training.steps_per_epoch={settings.steps_per_epoch} doesn't cover the "
            f"{samples} training samples in batches of {settings.batch_size}: Keras "
            "would end every other epoch after the left-over batches, a stub that also "
            f"uses up patience. Leave it out; kerasopt counts {counted} batches."
        )


def check_batch_size(settings: TrainingSettings, replicas: int) -> None:
    """Refuse a batch that the devices can't share evenly."""
    if settings.batch_size % replicas:
        raise ValueError(
            f"training.batch_size={settings.batch_size} is the batch of all "
            f"{replicas} devices together: make it a multiple of {replicas}."
        )


def check_inputs(
    model: keras.Model, dataset: Dataset, settings: TrainingSettings
) -> None:
    """Refuse a functional model whose input doesn't fit the data."""
    shape = dataset.input_shape
    accepted: Any = None
    if graph.is_graph(model):
        accepted = getattr(model, "input_shape", None)
        _check_structure(model, dataset)
    single = isinstance(accepted, tuple) and _is_shape(accepted)
    train = dataset.train
    shapes = train.seen_shapes if isinstance(train, Stream) else [shape]
    comparable = single and _is_shape(shape)
    if comparable and not all(_accepts(accepted[1:], each) for each in shapes):
        given = " and ".join(map(str, shapes))
        raise ValueError(
            f"The model takes samples of shape {tuple(accepted[1:])}, the dataset "
            f"'{dataset.name}' has {given}. Build the model with input_shape={shape}, "
            "or bring the samples to the model's shape."
        )
    if not settings.image_sizes:
        return
    if not single or tuple(accepted[1:3]) != (None, None):
        from kerasopt import models  # Which a model of one's own doesn't load.

        takers = [n for n in models.names() if "any_size" in models.defaults(n)]
        raise ValueError(
            f"training.image_sizes={settings.image_sizes} needs a model that takes "
            f"images of any size; this one takes {accepted and accepted[1:]}. Build it "
            f"with any_size=True, an argument of {', '.join(takers)}."
        )
    _check_smallest(model, dataset, settings)


def _check_structure(model: keras.Model, dataset: Dataset) -> None:
    """Refuse data of other inputs than the model's: Keras drops some of them."""
    shape, names = dataset.input_shape, [each.name for each in model.inputs]
    # A Sequential model has no dict of inputs, nor this attribute before its call.
    if not isinstance(model, keras.Sequential) and isinstance(model.input, dict):
        names = list(model.input)
    if isinstance(shape, dict):
        # Columns that no input takes are Keras's way to choose among them.
        fits, given = set(names) <= set(shape), f"a dict of {list(shape)}"
    else:
        count = _leaves(shape)
        fits, given = count == len(names), f"{count} arrays"
    if not fits:
        raise ValueError(
            f"The model's inputs are {names}, the samples of '{dataset.name}' are "
            f"{given}. Give an array for each input: one array, a tuple in their "
            "order, or a dict with their names."
        )


def _leaves(shapes: Any) -> int:
    if _is_shape(shapes) or not isinstance(shapes, (tuple, dict)):
        return 1
    parts = shapes.values() if isinstance(shapes, dict) else shapes
    return sum(map(_leaves, parts))


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(
        size is None or isinstance(size, (int, np.integer)) for size in shape
    )


def _accepts(accepted: tuple[Any, ...], given: tuple[Any, ...]) -> bool:
    if given == (*accepted, 1) or (*given, 1) == accepted:
        return True  # Keras takes the axis away, or adds it.
    return len(accepted) == len(given) and all(
        size in (None, other) or other is None
        for size, other in zip(accepted, given, strict=True)
    )


def _check_smallest(
    model: keras.Model, dataset: Dataset, settings: TrainingSettings
) -> None:
    """Refuse images that are too small for one of the layers."""
    side = min(settings.image_sizes)
    small = (1, side, side, dataset.input_shape[-1])
    # The layers' outputs, since the model's own has no side that could vanish.
    places = keras.Model(model.inputs, [each.output for each in model.layers])
    try:
        shapes = places.compute_output_shape(small)
    except ValueError:  # What Keras says of a convolution that has no room.
        shapes = [(1, 0)]
    if any(0 in shape for shape in shapes):
        raise ValueError(
            f"training.image_sizes={settings.image_sizes}: of images of {side}×{side} "
            "pixels the model's pooling leaves nothing. Begin with larger ones."
        )


def check_fit(task: tasks.Task | None, head: Head, dataset: Dataset) -> None:
    """Refuse a model whose output doesn't fit the labels."""
    if task is None or head.units is None:
        return
    count = dataset.num_classes
    what = {"multilabel": "labels", "regression": "targets"}.get(task.name, "classes")
    accepted = (1, 2) if task.name == "binary" else (count,)
    if head.units not in accepted:
        way = "Give task=None if the loss alone knows how they belong together."
        if task.has_classes and head.units > count:
            way = (
                "If classes without samples are meant, give ko.data.from_arrays(x, y, "
                f"num_classes={head.units})."
            )
        raise ValueError(
            f"The model has {head.units} outputs, the dataset '{dataset.name}' "
            f"{count} {what} (task {task.name!r}). End the model in {count} outputs "
            f"({_factory(task, count)}), or name another task=…. {way}"
        )
    if task.name == "binary" and head.units == 1 and head.activation == "softmax":
        raise ValueError(
            "The model ends in a softmax over one output, which is always 1. End it "
            "in a sigmoid, or in two outputs."
        )
    if task.name == "multilabel" and head.activation == "softmax":
        raise ValueError(
            "The labels are multilabel, several a sample, but the model ends in a "
            "softmax, whose outputs sum to 1. End it in a sigmoid."
        )
    if task.name == "regression" and head.activation == "softmax":
        raise ValueError(
            "The targets are numbers (task 'regression'), but the model ends in a "
            "softmax. End it in a layer without activation, or, if they are classes, "
            "give integer labels or task='multiclass'."
        )


def _factory(task: tasks.Task, count: int) -> str:
    """Return how a factory of ours makes so many outputs."""
    if task.has_classes:
        return f"num_classes={count} in ko.models"
    return f'ko.models.get(NAME, task="{task.name}", num_classes={count}, …)'


def try_batch(
    model: keras.Model,
    batch: Any,
    *,
    task: tasks.Task | None,
    head: Head,
    class_names: Any,
) -> None:
    """Take one training step on a few samples, judge its outputs, and undo it.

    Args:
        model: The compiled model, on one device.
        batch: (x,), (x, y) or (x, y, sample_weight), as the loop will hand it over.
        task: The task, or None to measure loss and metrics alone.
        head: What the model ends in.
        class_names: Names of the classes.

    Raises:
        ValueError: whatever would have failed later.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    with _undone(model):
        outputs = outputs_of(model, x)
        _check_finite(outputs)
        try:
            logs = model.train_step(batch)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise  # `enough_memory` says it.
        except Exception as error:
            raise explained(model, error, batch) from error
    _check_logs(logs)
    if task is not None:
        predictions = evaluation.predictions(
            task,
            keras.tree.map_structure(keras.ops.convert_to_numpy, outputs),
            from_logits=head.gives_logits,
        )
        evaluation.measure(task, np.asarray(y), predictions, class_names=class_names)


def _check_logs(logs: Any) -> None:
    """Refuse several values under one name, for which the log has one column."""
    for path, value in keras.tree.flatten_with_path(logs):
        if np.ndim(value):
            raise ValueError(
                f"{path[-1]!r} has {np.size(value)} values, and the log takes one "
                "number for each name. Average them (F1Score(average='macro')), or let "
                "the result be a dict of a name for each value."
            )


def _check_finite(outputs: Any) -> None:
    """Refuse a model that gives NaN for data without any."""
    for each in [] if outputs is None else keras.tree.flatten(outputs):
        if not np.isfinite(keras.ops.convert_to_numpy(each)).all():
            raise ValueError(
                "The model gives NaN or infinite outputs before its first step: look "
                "at its weights, and at data of large values, which wants scaling."
            )


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Say in a sentence that what this block builds doesn't fit into memory."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise ValueError(
            f"There isn't enough memory for the training ({reason_of(error)}). Make "
            "the layers or batch_size smaller."
        ) from error


@contextlib.contextmanager
def _undone(model: keras.Model) -> Iterator[None]:
    """Give all variables of a training their values back after the block."""
    variables = [*model.variables, *model.metrics_variables]
    for optimizer in optimizers_of(model):
        variables += optimizer.variables
    before = [keras.ops.convert_to_numpy(each).copy() for each in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def explained(model: keras.Model, error: Exception, batch: Any) -> ValueError:
    """Return an error that says which loss and shapes a first step failed with."""
    x, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    reason = reason_of(error)
    outputs = outputs_of(model, x)
    if outputs is None or model.loss is None:  # Its own step takes what it likes.
        return ValueError(
            f"The model's train_step fails on {SAMPLES} samples before the training: "
            f"{reason[:300]}"
        )
    shapes = keras.tree.map_structure(lambda each: tuple(each.shape), outputs)
    given = "no labels"
    if labels is not None:
        given = "labels of shape " + str(
            keras.tree.map_structure(
                lambda each: f"{tuple(each.shape)} {tf.as_dtype(each.dtype).name}",
                labels,
            )
        )
    loss = name_of(model.loss)
    return ValueError(
        f"A step on {SAMPLES} samples fails before the training: the model gives "
        f"outputs of shape {shapes}, the data has {given}, the loss is {loss!r}. "
        "Choose a loss and metrics for such labels (loss='auto' does), or bring the "
        f"labels to the form that the loss takes. TensorFlow says: {reason[:300]}"
    )


def name_of(loss: Any) -> Any:
    """Return a loss's name, or the loss itself where it has none."""
    return getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss


def check_views(settings: TrainingSettings, dataset: Dataset) -> None:
    """Refuse views of test samples that aren't images."""
    shape = dataset.input_shape
    if settings.tta != "none" and not (isinstance(shape, tuple) and len(shape) == 3):
        raise ValueError(
            f"training.tta={settings.tta!r} predicts from views of images, but a "
            f"sample of '{dataset.name}' has the shape {shape}. Leave it out."
        )
