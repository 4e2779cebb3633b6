"""Networks without their heads, and copies that compute the same in training."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.layers import graph

__all__ = ["clone", "headless", "without_chance"]


def headless(model: keras.Model) -> keras.Model:
    """Return a copy of a network without its last Dense layer and what follows."""
    if not graph.is_graph(model) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"The backbone {model.name!r} must be a functional or Sequential model "
            "with one input and one output, whose layers are known."
        )
    if len(model.inputs[0].shape) != 4:
        raise ValueError(
            f"The backbone {model.name!r} must take images (height, width, channels); "
            f"its input is {tuple(model.inputs[0].shape[1:])}."
        )
    features = _features(model)
    if features is model.inputs[0]:
        raise ValueError(f"The backbone {model.name!r} is nothing but its last layer.")
    source = keras.Model(model.inputs[0], features)
    target = clone(source)
    target.set_weights(source.get_weights())
    return target


def _features(model: keras.Model) -> Any:
    """Return what goes into the last Dense layer, or the output if there is none.

    Activations, dropout, normalisation and arithmetic behind it are cut off, too, and a
    Dense layer inside a nested model is found.

    Raises:
        ValueError: if the model gives probabilities, but by no Dense layer.
    """
    end, is_classifier = model.outputs[0], False
    while len(end.shape) == 2:
        operation = end._keras_history.operation
        source = _only_input(operation)
        if source is None:
            break
        if isinstance(operation, (keras.layers.Dense, keras.layers.EinsumDense)):
            return source
        if graph.is_graph(operation):
            inside = _features(operation)
            if inside is operation.inputs[0]:
                return source
            if inside is not operation.outputs[0]:
                cut = keras.Model(operation.inputs[0], inside, name=operation.name)
                return cut(source)
            break
        is_classifier |= _gives_probabilities(operation)
        if source.shape != end.shape:
            break
        end = source
    if is_classifier:
        raise ValueError(
            f"The backbone {model.name!r} gives probabilities, but ends in no Dense "
            "layer that could be cut off. Give the model of its features: "
            "keras.Model(model.input, model.layers[…].output)."
        )
    return model.outputs[0]


def _only_input(operation: Any) -> Any:
    """Return the one tensor that goes into a layer or operation that is used once."""
    if len(operation._inbound_nodes) != 1:
        return None
    tensors = operation._inbound_nodes[0].input_tensors
    return tensors[0] if len(tensors) == 1 else None


def _gives_probabilities(operation: Any) -> bool:
    activation = getattr(operation, "activation", None)
    named = getattr(activation, "__name__", type(operation).__name__)
    return named.lower() in ("softmax", "sigmoid")


def without_chance(model: keras.Model) -> keras.Model:
    """Return a model that computes the same when others train: without dropout.

    A call of the outer model with ``training=True`` reaches the layers of the one
    inside, which was called with False (Keras 3.15).
    """
    if not any(map(_draws, graph.layers(model))):
        return model
    target = clone(model)
    target.set_weights(model.get_weights())
    return target


def clone(model: keras.Model) -> keras.Model:
    """Return a new model of the same layers, with Identity in the place of dropout."""

    def again(layer: keras.layers.Layer) -> keras.layers.Layer:
        if _draws(layer):
            return keras.layers.Identity(name=layer.name)
        if isinstance(layer, keras.layers.Lambda):
            raise ValueError(
                f"The layer {layer.name!r} of the backbone is a Lambda, whose code can "
                "neither be copied nor loaded safely: put a layer of Keras in its "
                "place, such as Rescaling."
            )
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=again, recursive=True)


def _draws(layer: keras.layers.Layer) -> bool:
    """Say whether a layer draws random numbers in training."""
    generators = vars(layer).values()
    return any(isinstance(each, keras.random.SeedGenerator) for each in generators)
