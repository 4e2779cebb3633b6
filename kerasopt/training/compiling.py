"""A compiled model, and its batches, for programs that call Keras themselves."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import augment as augmentations
from kerasopt import losses, optimizers
from kerasopt.data import Dataset, pipeline
from kerasopt.training.settings import TrainingSettings

__all__ = ["compiled", "fit_batches"]


def compiled(
    network: keras.Model,
    *,
    optimizer: Any = "adam",
    loss: Any = "auto",
    dataset: Dataset | None = None,
    settings: TrainingSettings | None = None,
) -> keras.Model:
    """Compile a new model and return it.

    Args:
        network: The model.
        optimizer: What `kerasopt.optimizers.get` takes; lengths that its schedules
            lack are those of a training on `dataset` by `settings`.
        loss: What `kerasopt.losses.get` takes.
        dataset: Its labels choose the loss; without it they are integers.
        settings: Epochs, batch size and label smoothing.

    Example:
        >>> from kerasopt import models
        >>> network = models.mlp(input_shape=(4,), num_classes=3)
        >>> compiled(network, optimizer="sgd").loss.name
        'sparse_categorical_crossentropy'
    """
    settings = settings or TrainingSettings()
    labels: Any = [0]
    if dataset is not None:
        labels = dataset.train[1]
        optimizer = optimizers.complete(
            optimizer,
            epochs=settings.epochs,
            steps_per_epoch=pipeline.steps_per_epoch(
                len(dataset.train[0]), settings.batch_size
            ),
        )
    network.compile(
        optimizer=optimizers.get(optimizer),
        loss=losses.get(loss, labels=labels, label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
    )
    return network


def fit_batches(
    network: keras.Model,
    dataset: Dataset,
    *,
    settings: TrainingSettings,
    augment: Any = None,
    **arguments: Any,
) -> keras.callbacks.History:
    """Train a compiled model by Keras's `fit` on a dataset's augmented batches.

    Args:
        network: The compiled model.
        dataset: Its training part is trained on, its validation part watched.
        settings: Batch size and seed.
        augment: What `kerasopt.augment.get` takes.
        **arguments: What else Keras's `fit` takes.

    Returns:
        Keras's history.
    """
    batches = pipeline.training_batches(
        *dataset.train,
        batch_size=settings.batch_size,
        seed=settings.seed,
        augmentation=augmentations.get(augment),
    )
    steps = pipeline.steps_per_epoch(len(dataset.train[0]), settings.batch_size)
    if dataset.validation is not None:
        validation = pipeline.evaluation_batches(*dataset.validation)
        arguments.setdefault("validation_data", validation)
    # The stream is shuffled; Keras warns that it can't do it once more.
    arguments.setdefault("shuffle", False)
    return network.fit(batches, steps_per_epoch=steps, **arguments)
