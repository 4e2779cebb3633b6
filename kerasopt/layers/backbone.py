"""The pretrained network inside a model."""

from __future__ import annotations

import keras

from kerasopt import checks
from kerasopt.layers import graph

__all__ = ["BACKBONE", "backbone_of", "is_normalization", "with_weights"]

BACKBONE = "backbone"
"""Name of the pretrained network in a model of `kerasopt.models.transfer`."""


def backbone_of(model: keras.Model) -> keras.Model:
    """Return the nested model named "backbone".

    Args:
        model: The model around it.

    Raises:
        ValueError: if there is none.

    Example:
        >>> inputs = keras.Input((2,))
        >>> base = keras.Model(inputs, keras.layers.Dense(3)(inputs), name="backbone")
        >>> backbone_of(keras.Sequential([keras.Input((2,)), base])) is base
        True
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    for layer in model.layers:
        if layer.name == BACKBONE and graph.is_graph(layer):
            return layer
    raise ValueError(
        f"The model {model.name!r} has no nested model named {BACKBONE!r}. Build it by "
        "kerasopt.models.transfer, or set layer.trainable yourself."
    )


def with_weights(base: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a backbone that have weights, from input to output.

    Args:
        base: The nested model; those nested in it count by their layers.
    """
    return [layer for layer in graph.layers(base) if layer.weights]


def is_normalization(layer: keras.layers.Layer) -> bool:
    """Say whether a layer is batch normalisation."""
    return isinstance(layer, keras.layers.BatchNormalization)
