"""Multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt.models import arguments, blocks
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["mlp"]


@register("mlp")
def mlp(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    units: Sequence[int] = (64, 64),
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = False,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float | Sequence[float] = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
) -> keras.Model:
    """Build a multilayer perceptron that ends in class probabilities.

    Each hidden layer is Dense → activation (→ BatchNormalization) (→ Dropout).
    Inputs of more than one axis are flattened first.

    Args:
        input_shape: Shape of one sample, such as ``(784,)`` or ``(28, 28, 1)``.
        num_classes: Number of classes, at least 2.
        units: Width of each hidden layer.
        activation: Keras name of the hidden activation.
        kernel_initializer: What `kerasopt.initializers.get` takes; each layer
            gets a fresh one. The output layer keeps Keras's default.
        batch_norm: False, True (= ``"after_activation"``) or
            ``"before_activation"``, where the layers have no bias.
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). 0.9 by default: with Keras's 0.99 predictions lag
            behind the weights in trainings of few steps.
        dropout: Drop rate in [0, 1) after every hidden layer, or one a layer.
        l1: Factor of ``sum(|w|)`` over the hidden kernels.
        l2: Factor of ``sum(w ** 2)`` over the hidden kernels.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean
            over the batch.

    Returns:
        An uncompiled `keras.Model` from (batch, *input_shape) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> mlp(input_shape=(784,), num_classes=10).count_params()
        55050
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    units = arguments.positive_integers("units", units)
    places = [f"dense {i + 1}" for i in range(len(units))]
    drop_rates = arguments.rates("dropout", dropout, places)

    shape = arguments.sample_shape(input_shape)
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(inputs) if len(shape) > 1 else inputs
    for width, rate in zip(units, drop_rates, strict=True):
        x = style.dense(x, width)
        if rate:
            x = keras.layers.Dropout(rate)(x)
    return keras.Model(inputs, blocks.classifier(x, num_classes), name="mlp")
