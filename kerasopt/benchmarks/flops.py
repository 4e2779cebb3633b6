"""How many floating-point operations the training of one sample takes."""

from __future__ import annotations

import math

import keras

from kerasopt.layers import graph

__all__ = ["training_flops"]


def training_flops(model: keras.Model) -> int:
    r"""Return the operations of one training step, for each sample of its batch.

    Counted are the products of convolutions and dense layers. A kernel of K
    numbers that is applied at P places costs in each pass

    .. math::
        2 K P

    operations (a multiplication and an addition), padding counted as pixels. There
    is one pass forward, one for the kernel's gradient if it trains, and one for the
    input's gradient if anything before the layer does.

    Args:
        model: A functional or Sequential model with a fixed input size.

    Returns:
        Floating-point operations for each sample.

    Raises:
        ValueError: if the input size is open, or a layer with a kernel is of
            another kind.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> training_flops(model)  # Forward and the kernel's gradient.
        48
    """
    total = 0
    something_learns = False
    for layer in graph.layers(model):
        if forward := _forward_flops(layer):
            passes = 1 + bool(layer.kernel.trainable and layer.trainable)
            total += forward * (passes + something_learns)
        something_learns = something_learns or bool(layer.trainable_variables)
    return total


def _forward_flops(layer: keras.layers.Layer) -> int:
    if not any(len(weight.shape) > 1 for weight in layer.weights):
        return 0  # Biases and batch normalisation: no product over a kernel.
    # Their kernels are (*window, input channels of a group, filters).
    known = isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
    if not known or getattr(layer, "data_format", None) == "channels_first":
        raise ValueError(
            f"Can't count the operations of layer {layer.name!r}: only Conv2D and "
            "Dense layers with the channels last are known; given: "
            f"{type(layer).__name__}."
        )
    places = layer.output.shape[1:-1]
    if None in places:
        raise ValueError(
            f"The output of layer {layer.name!r} has an open size, {places}: build the "
            "model with a fixed input_shape (any_size=False)."
        )
    return 2 * math.prod(layer.kernel.shape) * math.prod(places)
