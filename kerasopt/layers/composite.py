"""Layers that consist of Keras's own."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["Composite"]


class Composite(keras.layers.Layer):
    """Base of layers whose call is a small graph of Keras layers.

    A subclass creates them in `make` and calls them in `call`, and nothing else. So it
    works as a layer, with weights and a configuration of its own, and as the graph:
    `expand` applies the same Keras layers one by one, and `kerasopt.layers.to_keras`
    replaces the layer by them.

    The layers' names begin with this one's, so that they are unique in a model.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def make(self, shape: tuple[int | None, ...]) -> None:
        """Create the layers for inputs of a shape, the batch's axis first."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Create the layers with their weights."""
        self.make(tuple(input_shape))
        # Builds them in the order of the call, under this layer's path.
        self.call(keras.KerasTensor(input_shape, dtype=self.compute_dtype))

    def expand(self, x: Any) -> Any:
        """Apply the layers that this one consists of, each as a layer of the model.

        Args:
            x: Keras tensor; this layer must not have been called.

        Example:
            >>> from kerasopt.layers import SqueezeExcite
            >>> entry = keras.Input((8, 8, 32))
            >>> x = SqueezeExcite(name="gate").expand(entry)
            >>> [layer.name for layer in keras.Model(entry, x).layers[1:3]]
            ['gate_pool', 'gate_reduce']
        """
        self.make(tuple(x.shape))
        return self.call(x)

    def to_model(self, shape: tuple[int | None, ...]) -> keras.Model:
        """Return a model of this name that consists of the same plain layers.

        Args:
            shape: Of its inputs, the batch's axis first; new weights are drawn.
        """
        twin = type(self).from_config(self.get_config())
        inputs = keras.Input(batch_shape=shape, dtype=self.compute_dtype)
        model = keras.Model(inputs, twin.expand(inputs), name=self.name)
        for part in self.parts():
            model.get_layer(part.name).trainable = part.trainable
        return model

    def parts(self) -> list[keras.layers.Layer]:
        """Return the layers that it consists of; none before it is built."""
        return list(self._flatten_layers(include_self=False, recursive=False))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs, which the outputs have too."""
        return input_shape
