"""The output of a model, by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, tasks

__all__ = ["ACTIVATIONS", "outputs", "replace"]

ACTIVATIONS = {"multilabel": "sigmoid", "regression": "linear"}
"""Of the output, by task, where it isn't the classifiers' softmax."""

NAMES = {"multilabel": "probabilities", "regression": "targets"}
SIZES = ("units", "filters")


def replace(
    model: keras.Model, task: str | tasks.Task, num_outputs: int
) -> keras.Model:
    """Give a classifier the output of another task.

    The head is the last layer with a kernel, and what follows it: the head is built
    again, with ``num_outputs`` outputs, and ends in the task's activation instead of
    softmax. What else lies between (such as the factor of the logits of
    `kerasopt.models.airbench`) stays, since the learning rates were chosen with it.

    Args:
        model: An uncompiled functional model with one output; its other layers are
            used again.
        task: ``"multilabel"`` or ``"regression"``; the classes' tasks leave the model
            as it is.
        num_outputs: Number of labels or targets.

    Returns:
        A model with the same input, whose output (batch, num_outputs) is float32.

    Raises:
        ValueError: if the number is below 1, or the model's end isn't such a chain.

    Example:
        >>> entry = keras.Input((4,))
        >>> x = keras.layers.Dense(3, activation="softmax")(entry)
        >>> model = replace(keras.Model(entry, x), "multilabel", 5)
        >>> model.output_shape, model.layers[-1].activation.__name__
        ((None, 5), 'sigmoid')
    """
    task = tasks.get(task)
    if task.has_classes:
        return model
    num_outputs = outputs(num_outputs)
    head, *after = _tail(model)
    between = [layer for layer in after if not _is_activation(layer)]
    x = _resized(head, num_outputs)(head.input)
    for layer in between:
        x = _again(layer)(x)
    x = keras.layers.Activation(
        ACTIVATIONS[task.name], dtype="float32", name=NAMES[task.name]
    )(x)
    return keras.Model(model.input, x, name=model.name)


def outputs(num_outputs: Any) -> int:
    """Return the number of labels or targets, or raise unless it is an integer >= 1."""
    return checks.integer("num_classes, the number of labels or targets,", num_outputs)


def _tail(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the last layer with a kernel, and those that follow it, in order."""
    found: list[keras.layers.Layer] = []
    if hasattr(model, "inputs") and len(model.outputs) == 1:
        makers = {id(layer.output): layer for layer in _with_one_end(model)}
        end = model.outputs[0]
        while id(end) in makers and not (found and hasattr(found[0], "kernel")):
            found.insert(0, makers[id(end)])
            end = found[0].input
    if not found or not _can_be_resized(found[0]):
        raise ValueError(
            f"The model {model.name!r} doesn't end in a Dense or convolutional layer "
            "and a chain of layers behind it, so its output can't be replaced. Build "
            "it for the task yourself, and give the finished model."
        )
    return found


def _with_one_end(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers with one input and one output, applied once."""
    return [
        layer
        for layer in model.layers
        if len(layer._inbound_nodes) == 1
        and not isinstance(layer.input, (list, tuple, dict))
        and not isinstance(layer.output, (list, tuple, dict))
    ]


def _can_be_resized(layer: keras.layers.Layer) -> bool:
    return hasattr(layer, "kernel") and any(hasattr(layer, size) for size in SIZES)


def _is_activation(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, (keras.layers.Activation, keras.layers.Softmax))


def _resized(head: keras.layers.Layer, num_outputs: int) -> keras.layers.Layer:
    size = next(size for size in SIZES if hasattr(head, size))
    return _again(head, **{size: num_outputs, "activation": "linear"})


def _again(layer: keras.layers.Layer, **changes: Any) -> keras.layers.Layer:
    """Return a new layer of the same settings, in float32: it is part of the output."""
    config: Mapping[str, Any] = layer.get_config()
    return type(layer).from_config({**config, **changes, "dtype": "float32"})
