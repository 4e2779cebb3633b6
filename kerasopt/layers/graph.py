"""The layers of functional models, nested ones included."""

from __future__ import annotations

from collections.abc import Iterator

import keras

__all__ = ["is_graph", "layers"]


def layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model, and those of the graphs in it in their place."""
    for layer in model.layers:
        if is_graph(layer):
            yield from layers(layer)
        else:
            yield layer


def is_graph(layer: keras.layers.Layer) -> bool:
    """Say whether a layer is a functional or a built Sequential model."""
    return isinstance(layer, keras.Model) and hasattr(layer, "inputs")
