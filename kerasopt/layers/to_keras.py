"""Trained models without what only kerasopt can load."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.layers import graph
from kerasopt.layers.composite import Composite
from kerasopt.layers.convolution import Conv2D
from kerasopt.layers.fused import FusedBatchNormalization
from kerasopt.layers.normalization import Normalization
from kerasopt.layers.whitening import WhiteningConv2D

__all__ = ["to_keras"]

PLAIN_TYPES = {
    Conv2D: keras.layers.Conv2D,
    FusedBatchNormalization: keras.layers.BatchNormalization,
    Normalization: keras.layers.Normalization,
    WhiteningConv2D: keras.layers.Conv2D,
}


def to_keras(model: keras.Model) -> keras.Model:
    """Return an equal model of plain Keras layers, which loads without kerasopt.

    `FusedBatchNormalization` becomes BatchNormalization, `Normalization` Keras's,
    `Conv2D` and `WhiteningConv2D` Keras's Conv2D, and the initializers of kerasopt
    Keras's default; `SelfAttention2D` and `SqueezeExcite` become models of the Keras
    layers that they consist of. Outputs agree to rounding. Names and dtype policies
    stay, weights are copied. The whitening filters, which never trained, are an
    ordinary trainable kernel in the result.

    Args:
        model: A functional or Sequential model, nested or not.

    Returns:
        A new, uncompiled functional model; the model itself if nothing in it needs
        kerasopt or if it is subclassed, since such a model can't be rebuilt.

    Raises:
        ValueError: if Keras refuses to rebuild a layer, such as a Lambda of a Python
            lambda, or a layer of kerasopt is inside another (TimeDistributed).

    Example:
        >>> entry = keras.Input((8, 8, 3))
        >>> model = keras.Model(entry, FusedBatchNormalization(name="norm")(entry))
        >>> type(to_keras(model).get_layer("norm")).__name__
        'BatchNormalization'
    """
    if not graph.is_graph(model) or not any(map(_needs_kerasopt, graph.layers(model))):
        return model
    source = _uncompiled(model)
    target = keras.models.clone_model(
        source, _inputs(source), clone_function=_plain, recursive=True
    )
    _copy_weights(source, target)
    return target


def _needs_kerasopt(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, Composite) or type(layer) in PLAIN_TYPES:
        return True
    return any(map(_is_ours, layer.get_config().values()))


def _is_ours(value: Any) -> bool:
    """Say whether a value of a config is an object of kerasopt."""
    return isinstance(value, dict) and str(value.get("registered_name")).startswith(
        "kerasopt>"
    )


def _uncompiled(model: keras.Model) -> keras.Model:
    """Return a second model of the same layers.

    The clone of a compiled model is compiled too, with losses and optimizers that
    may need kerasopt in turn.
    """
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)


def _inputs(model: keras.Model) -> Any:
    """Return new inputs under the layers' names; clone_model takes the tensors'."""
    layers = [x for x in model.layers if isinstance(x, keras.layers.InputLayer)]
    names = {id(layer.output): layer.name for layer in layers}
    return keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=names[id(x)]),
        model.input,
    )


def _plain(layer: keras.layers.Layer) -> keras.layers.Layer:
    inner = getattr(layer, "layer", None)
    if isinstance(inner, (Composite, *PLAIN_TYPES)):
        raise ValueError(
            f"to_keras can't replace the {type(inner).__name__} inside "
            f"{layer.name!r}. Build the model with Keras's own layer there."
        )
    if isinstance(layer, Composite):
        return layer.to_model(tuple(layer.get_build_config()["input_shape"]))
    kind = PLAIN_TYPES.get(type(layer), type(layer))
    config = kind.get_config(layer)
    for key, value in config.items():
        if key.endswith("_initializer") and _is_ours(value):
            config[key] = "glorot_uniform"
    return kind.from_config(config)


def _copy_weights(source: keras.layers.Layer, target: keras.Model) -> None:
    """Copy weights layer by layer: a frozen kernel comes late in get_weights."""
    parts = source.parts() if isinstance(source, Composite) else source.layers
    for layer in parts:
        if not layer.weights:
            continue
        copy = target.get_layer(layer.name)
        own: dict[str, Any] = {}
        layer.save_own_variables(own)
        if graph.is_graph(layer) or isinstance(layer, Composite):
            _copy_weights(layer, copy)
        elif len(own) == len(layer.weights):
            copy.load_own_variables(own)
        else:  # The weights are those of layers inside it.
            copy.set_weights(layer.get_weights())
