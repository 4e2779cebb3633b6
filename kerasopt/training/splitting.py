"""A model in two parts: what computes the same in every epoch, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.layers import graph

__all__ = ["Parts", "split"]

LEAST_WEIGHTS = 10_000
"""A base of fewer is computed as fast as its features are read."""

OPAQUE = (keras.layers.Lambda, keras.layers.TFSMLayer)
"""Layers of Keras that do what someone else wrote."""


@dataclass(frozen=True)
class Parts:
    """A model in two parts that share its layers.

    Attributes:
        base: From the model's input to the features.
        head: From the features to the model's output.
    """

    base: keras.Model
    head: keras.Model


def split(model: keras.Model, *, least: int = LEAST_WEIGHTS) -> Parts | None:
    """Divide a model behind the layers at its beginning that never change.

    Such a layer has nothing to train, does the same in training and in prediction (no
    dropout or augmentation, no batch normalisation that keeps statistics), and
    everything passes through it.

    Args:
        model: A built model.
        least: Least weights of its beginning; 10,000 by default.

    Returns:
        Its two parts, or None where there is no such beginning, it gives no arrays of
        a known shape, or nothing follows it.

    Example:
        >>> entry = keras.Input((100,))
        >>> base = keras.layers.Dense(200, trainable=False)
        >>> x = keras.layers.Dropout(0.5)(base(entry))
        >>> model = keras.Model(entry, keras.layers.Dense(3)(x))
        >>> parts = split(model)
        >>> parts.base.output_shape, len(parts.head.trainable_variables)
        ((None, 200), 2)
    """
    if type(model).train_step is not keras.Model.train_step or not _is_plain(model):
        return None
    end, weights = model.inputs[0], 0
    while (node := _only_consumer(model, end)) and _is_constant(node.operation):
        (end,) = node.outputs
        if isinstance(node.operation, keras.layers.Layer):
            weights += node.operation.count_params()
    if weights < least or None in end.shape[1:] or end is model.inputs[0]:
        return None
    if any(end is output for output in model.outputs):
        return None
    return Parts(_part(model.inputs[0], end), _part(end, model.output))


def _is_plain(model: keras.Model) -> bool:
    """Say whether Keras's functional graph is all that a model computes."""
    own = type(model).__module__
    return graph.is_graph(model) and len(model.inputs) == 1 and own[:6] == "keras."


def _only_consumer(model: keras.Model, tensor: Any) -> Any:
    """Return the node that alone takes a tensor, takes nothing else and gives one.

    A grey image that becomes three channels is taken three times by one node.
    """
    found = [
        node
        for operation in getattr(model, "operations", model.layers)
        for node in operation._inbound_nodes
        if any(each is tensor for each in node.input_tensors)
    ]
    if len(found) != 1 or len(found[0].operation._inbound_nodes) != 1:
        return None
    (node,) = found
    alone = all(each is tensor for each in node.input_tensors)
    return node if alone and len(node.outputs) == 1 else None


def _is_constant(operation: Any) -> bool:
    """Say whether an operation gives the same for a sample in every step."""
    if not isinstance(operation, keras.layers.Layer):
        return True
    # Not its trainable_variables: of a frozen model they are none, though a layer in it
    # that was unfrozen by itself does train.
    return not any(each.trainable for each in operation.variables) and all(
        map(_is_same_in_training, operation._flatten_layers())
    )


def _is_same_in_training(layer: keras.layers.Layer) -> bool:
    theirs = not type(layer).__module__.startswith(("keras.", "kerasopt."))
    if theirs or isinstance(layer, OPAQUE):
        return False  # What someone else's layer does in training isn't known.
    normalises = isinstance(layer, keras.layers.BatchNormalization)
    return (
        # Only `variables` has the states of random generators.
        len(layer.variables) == len(layer.weights)
        and getattr(layer, "activity_regularizer", None) is None
        and not (normalises and layer.trainable)
    )


def _part(start: Any, end: Any) -> keras.Model:
    """Return a model of a part of a graph, and leave no trace of it in the layers."""
    part = keras.Model(start, end)
    for operation in part.operations:
        # With two nodes `layer.output` would be ambiguous in the whole model.
        if not isinstance(operation, keras.layers.InputLayer):
            del operation._inbound_nodes[1:]
    return part
