"""What must hold before a training starts."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kerasopt.data import Dataset, pipeline
from kerasopt.training.settings import TrainingSettings

__all__ = ["batch_size", "data", "is_dataset", "shapes"]


def data(dataset: Any, settings: TrainingSettings) -> None:
    """Refuse what isn't a dataset, a watch on data that aren't there, stub epochs.

    Test data as validation was refused when the dataset was made.
    """
    is_dataset(dataset)
    _check_monitor(dataset, settings)
    _check_steps(dataset, settings)
    _check_execution(dataset, settings)


def is_dataset(dataset: Any) -> None:
    """Refuse what isn't a dataset."""
    if not isinstance(dataset, Dataset):
        raise ValueError(
            "dataset must be a kerasopt Dataset; given: "
            f"{type(dataset).__name__}. Wrap arrays with "
            "kerasopt.data.from_arrays(x, y, test=(x_test, y_test))."
        )


def _check_monitor(dataset: Dataset, settings: TrainingSettings) -> None:
    if (
        dataset.validation is None
        and settings.patience
        and settings.monitor.startswith("val_")
    ):
        raise ValueError(
            f"training.patience={settings.patience} watches {settings.monitor}, but "
            "the dataset has no validation cut. Load it with validation=0.1, or set "
            "patience=None."
        )


def _check_steps(dataset: Dataset, settings: TrainingSettings) -> None:
    counted = pipeline.steps_per_epoch(len(dataset.train[0]), settings.batch_size)
    if settings.steps_per_epoch not in (None, counted):
        raise ValueError(
            f"training.steps_per_epoch={settings.steps_per_epoch} doesn't cover the "
            f"{len(dataset.train[0])} training samples in batches of "
            f"{settings.batch_size}: Keras would end every other epoch after the left-"
            f"over batches, a stub that also uses up patience. Leave it out; kerasopt "
            f"counts {counted} batches."
        )


def _check_execution(dataset: Dataset, settings: TrainingSettings) -> None:
    counted = pipeline.steps_per_epoch(len(dataset.train[0]), settings.batch_size)
    if counted % settings.steps_per_execution:
        fitting = [n for n in range(1, 100) if counted % n == 0]
        raise ValueError(
            f"training.steps_per_execution={settings.steps_per_execution} doesn't "
            f"divide the {counted} steps of an epoch; fitting are {fitting}."
        )
    if settings.patience and settings.validation_freq > 1:
        raise ValueError(
            f"training.patience={settings.patience} counts validations of every "
            f"epoch: leave validation_freq={settings.validation_freq} out."
        )


def batch_size(settings: TrainingSettings, strategy: tf.distribute.Strategy) -> None:
    """Refuse a batch that the devices can't share evenly."""
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise ValueError(
            f"training.batch_size={settings.batch_size} is the batch of all "
            f"{replicas} devices together: make it a multiple of {replicas}."
        )


def shapes(network: keras.Model, dataset: Dataset, settings: TrainingSettings) -> None:
    """Refuse a model whose input or output doesn't fit the data."""
    accepted = tuple(network.input_shape[1:])
    fits = len(accepted) == len(dataset.input_shape) and all(
        size in (None, given)
        for size, given in zip(accepted, dataset.input_shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"The model takes samples of shape {accepted}, the dataset "
            f"'{dataset.name}' has {dataset.input_shape}. Build the model with "
            f"input_shape={dataset.input_shape}."
        )
    if settings.image_sizes and accepted[:2] != (None, None):
        raise ValueError(
            f"training.image_sizes={settings.image_sizes} needs a model that takes "
            f"images of any size; this one takes {accepted}. Build it with "
            "any_size=True (the model 'speed' has it)."
        )
    if settings.image_sizes:
        _check_smallest(network, dataset, settings)
    outputs = network.output_shape[-1]
    if outputs != dataset.num_classes:
        raise ValueError(
            f"The model has {outputs} outputs, the dataset '{dataset.name}' "
            f"{dataset.num_classes} classes. Build the model with "
            f"num_classes={dataset.num_classes}."
        )


def _check_smallest(
    network: keras.Model, dataset: Dataset, settings: TrainingSettings
) -> None:
    """Refuse images of which a layer would leave nothing."""
    side = min(settings.image_sizes)
    small = (1, side, side, dataset.input_shape[-1])
    # The layers' outputs, since the model's own has no side that could vanish.
    places = keras.Model(network.inputs, [each.output for each in network.layers])
    try:
        shapes = places.compute_output_shape(small)
    except ValueError:  # What Keras says of a convolution that has no room.
        shapes = [(1, 0)]
    if any(0 in shape for shape in shapes):
        raise ValueError(
            f"training.image_sizes={settings.image_sizes}: of images of {side}×{side} "
            "pixels the model's pooling leaves nothing. Begin with larger ones."
        )
