"""The convolutional network of the chapter's CIFAR-10 project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt.models import arguments
from kerasopt.models.cnn import cnn
from kerasopt.models.registry import register

__all__ = ["chapter_cnn"]

LEAST = 18
"""Pixels that leave one of the third convolution, without padding."""


@register("chapter_cnn")
def chapter_cnn(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = True,
    batch_norm_momentum: float = 0.99,
    dropout: float | Sequence[float] = (0.25, 0.25, 0.5),
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
) -> keras.Model:
    """Build the chapter's network, the one that the recipes are compared with.

    Three 3×3 convolutions without padding, 32, 64 and 128 wide, each with activation
    and batch normalisation; max-pooling by 2 and dropout after the first two; a dense
    layer of 128 with activation, batch normalisation and dropout; the output. It is
    `kerasopt.models.cnn` with these arguments; what it leaves open is how the layers
    are regularised.

    Args:
        input_shape: (height, width, channels), 18×18 pixels or more.
        num_classes: Number of classes, at least 2.
        activation: Keras name of the hidden activation.
        kernel_initializer: What `kerasopt.initializers.get` takes; each layer gets a
            fresh one. The output layer keeps Keras's default.
        batch_norm: False, True (= ``"after_activation"``), as printed, or
            ``"before_activation"``, where the layers have no bias.
        batch_norm_momentum: Share of the running mean and variance that a step keeps,
            in [0, 1). Keras's default, as printed; 0.9 is better in short trainings.
        dropout: Drop rate in [0, 1) after each of the two pooled stages and the dense
            layer, or one for all.
        l1: Factor of ``sum(|w|)`` over the hidden kernels.
        l2: Factor of ``sum(w ** 2)`` over the hidden kernels.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean over
            the batch.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, or the images are too small.

    Example:
        >>> chapter_cnn(input_shape=(32, 32, 3), num_classes=10).count_params()
        358218
    """
    shape = arguments.image_shape(input_shape)
    if min(shape[:2]) < LEAST:
        raise ValueError(
            f"The chapter's network needs images of {LEAST}×{LEAST} pixels or more; "
            f"given: {shape[0]}×{shape[1]}. Use models.cnn, which has padding='same', "
            "or larger images."
        )
    model = cnn(
        input_shape=shape,
        num_classes=num_classes,
        filters=(32, 64, 128),
        padding="valid",
        dense=(128,),
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        dropout=dropout,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    return keras.Model(model.input, model.output, name="chapter_cnn")
