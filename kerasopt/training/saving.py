"""A trained model as a file that plain Keras loads."""

from __future__ import annotations

import inspect
import math
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import files, layers, losses, tasks
from kerasopt.layers import graph
from kerasopt.training import run_folder
from kerasopt.training.head import Head

__all__ = ["num_parameters", "save_model", "saving_notes", "weights_are_finite"]

PLACEHOLDER = "placeholder"
"""Name of the optimizer in a saved model, which Keras's ``evaluate`` asks for."""


def weights_are_finite(model: keras.Model) -> bool:
    """Say whether no weight is NaN or infinite."""
    return all(np.isfinite(weight).all() for weight in model.get_weights())


def num_parameters(model: keras.Model) -> int:
    """Return the number of weights, of a model without ``call`` too."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights)


_KERAS_FROM_CONFIG = tuple(
    each.from_config.__func__ for each in (keras.Model, keras.layers.Layer)
)
"""Which call the class with all that `get_config` returns."""


class _CantBeSaved(ValueError):
    """Why Keras can't save a model as one file."""


def saving_notes(model: keras.Model) -> list[str]:
    """Return what is to be said before the training of a model that can't be saved."""
    try:
        _to_save(model)
    except _CantBeSaved as why:
        return [
            f"Keras can't save this model as one file ({str(why).rstrip('.')}): the "
            f"run will keep its weights, in {run_folder.WEIGHTS}."
        ]
    return _loading_notes(model)


def _loading_notes(model: keras.Model) -> list[str]:
    """Return what keeps Keras from loading a saved model's classes again.

    They are looked at, and not made again, which would draw random numbers.
    """
    for layer in model._flatten_layers():
        made = type(layer)
        if made.__module__.startswith(("keras.", "kerasopt.")):
            continue
        if made.from_config.__func__ not in _KERAS_FROM_CONFIG:
            continue  # It has a way of its own.
        parameters = inspect.signature(made.__init__).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            continue
        if layer is model and graph.is_graph(model):
            continue  # It is saved as its graph.
        if lacking := [name for name in layer.get_config() if name not in parameters]:
            return [
                f"The saved model won't load again: {made.__name__}.__init__ takes no "
                f"{', '.join(lacking)}. Add **kwargs to it, and call "
                "super().__init__(**kwargs)."
            ]
    return []


def save_model(
    model: keras.Model, folder: Path, task: tasks.Task | None, head: Head
) -> None:
    """Save the model so that plain Keras can load and evaluate it.

    A second model of the same layers is compiled and saved, with Keras's loss for the
    task and plain SGD: schedules and losses of kerasopt would make the file need
    kerasopt, and the user's model stays compiled as it is. A model that Keras can't
    save as one file leaves its weights.

    Raises:
        OSError: if the disk is full or can't be written.
    """
    try:
        plain = _with_plain_loss(_to_save(model), task, head)
        with files.atomic(folder / run_folder.MODEL) as temporary:
            plain.save(temporary)
    except OSError:
        raise  # The disk's fault, not the model's: its weights have no room either.
    except Exception as error:
        with files.atomic(folder / run_folder.WEIGHTS) as temporary:
            # On a full disk h5py ends the process.
            sizes = [8 * math.prod(each.shape) for each in model.weights]
            files.check_space(folder, sum(sizes))
            model.save_weights(temporary)
        if not isinstance(error, _CantBeSaved):  # Which was said before the training.
            warnings.warn(
                f"Keras can't save the model as '{folder / run_folder.MODEL}': "
                f"{type(error).__name__}: {error} Its weights are in "
                f"{run_folder.WEIGHTS}.",
                stacklevel=2,
            )


def _to_save(model: keras.Model) -> keras.Model:
    """Return an equal model of plain Keras layers that Keras can write.

    A graph comes without what it was compiled with, which isn't saved either.
    """
    try:
        plain = _graph_alone(layers.to_keras(model))
        keras.saving.serialize_keras_object(plain)
    except Exception as error:  # Whatever a layer without get_config raises.
        first = str(error).strip().split("\n\n")[0]
        raise _CantBeSaved(" ".join(first.split()) or type(error).__name__) from error
    return plain


def _graph_alone(model: keras.Model) -> keras.Model:
    if not graph.is_graph(model):
        return model  # A subclassed model can't be rebuilt: it is saved as it is.
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    outputs = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    return keras.Model(inputs, outputs, name=model.name)


def _with_plain_loss(
    model: keras.Model, task: tasks.Task | None, head: Head
) -> keras.Model:
    if task is None or not graph.is_graph(model):
        return model
    classes = task.has_classes and head.units != 1
    logits = head.gives_logits and task.name != "regression"
    accuracy: Any = "accuracy"
    if logits and not classes:
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    loss = losses.get(
        "auto",
        task=task,
        labels=[0] if classes else None,
        num_outputs=head.units,
        from_logits=logits,
    )
    model.compile(
        keras.optimizers.SGD(name=PLACEHOLDER),
        loss,
        metrics=["mae"] if task.name == "regression" else [accuracy],
    )
    return model
