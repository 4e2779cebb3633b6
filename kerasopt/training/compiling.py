"""A compiled model, and its batches, for programs that call Keras themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import augment as augmentations
from kerasopt import callbacks as callback_table
from kerasopt import losses, optimizers
from kerasopt.data import Dataset, pipeline
from kerasopt.training import image_sizes
from kerasopt.training.settings import TrainingSettings

__all__ = ["compiled", "fit_batches"]


def compiled(
    network: keras.Model,
    *,
    optimizer: Any = "adam",
    loss: Any = "auto",
) -> keras.Model:
    """Compile a new model for integer labels and return it.

    Args:
        network: The model.
        optimizer: What `kerasopt.optimizers.get` takes.
        loss: What `kerasopt.losses.get` takes.

    Example:
        >>> from kerasopt import models
        >>> network = models.mlp(input_shape=(4,), num_classes=3)
        >>> compiled(network, optimizer="sgd").loss.name
        'sparse_categorical_crossentropy'
    """
    network.compile(
        optimizer=optimizers.get(optimizer),
        loss=losses.get(loss, labels=[0]),
        metrics=["accuracy"],
    )
    return network


def fit_batches(
    network: keras.Model,
    dataset: Dataset,
    *,
    settings: TrainingSettings,
    augment: Any = None,
    callbacks: Sequence[Any] = (),
    **arguments: Any,
) -> keras.callbacks.History:
    """Train a compiled model by Keras's `fit` on a dataset's augmented batches.

    Args:
        network: The compiled model.
        dataset: Its training part is trained on, its validation part watched.
        settings: Batch size, seed, patience and image sizes.
        augment: What `kerasopt.augment.get` takes.
        callbacks: What `kerasopt.callbacks.get` takes.
        **arguments: What else Keras's `fit` takes.

    Returns:
        Keras's history.
    """
    steps = pipeline.steps_per_epoch(len(dataset.train[0]), settings.batch_size)
    batches = pipeline.training_batches(
        *dataset.train,
        batch_size=settings.batch_size,
        seed=settings.seed,
        augmentation=augmentations.get(augment),
        first_epoch=arguments.get("initial_epoch", 0),
        image_size=image_sizes.by_step(settings, steps, None),
    )
    if dataset.validation is not None:
        validation = pipeline.evaluation_batches(*dataset.validation)
        arguments.setdefault("validation_data", validation)
    arguments["callbacks"] = [callback_table.get(each) for each in callbacks]
    if settings.patience is not None:
        arguments["callbacks"].append(
            keras.callbacks.EarlyStopping(
                settings.monitor, patience=settings.patience, restore_best_weights=True
            )
        )
    # The stream is shuffled; Keras warns that it can't do it once more.
    arguments.setdefault("shuffle", False)
    return network.fit(batches, steps_per_epoch=steps, **arguments)
