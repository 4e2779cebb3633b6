"""What the blocks share, and the head of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments
from kerasopt.models.style import place

__all__ = ["classifier", "drop", "feature_map", "places"]


def classifier(
    x: Any, num_classes: int, *, dropout: float = 0.0, kernel_regularizer: Any = None
) -> Any:
    """Apply the output layer: class probabilities, in float32 at any precision.

    Args:
        x: Features (batch, features), or a feature map or sequence, whose mean over
            all places is taken first.
        num_classes: Number of classes, at least 2.
        dropout: Drop rate in [0, 1) before the output layer.
        kernel_regularizer: Penalty on the kernel, as in Keras; none by default.

    Returns:
        (batch, num_classes), of layers named "pool", "dropout", "logits" and
        "probabilities".

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> classifier(keras.Input((8, 8, 64)), 10).shape
        (None, 10)
    """
    num_classes = arguments.classes(num_classes)
    rate = checks.fraction("dropout", dropout)
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    elif len(x.shape) == 3:
        x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
    if rate:
        x = keras.layers.Dropout(rate, name="dropout")(x)
    arguments.check_weights(f"{num_classes} classes", x.shape[-1], num_classes)
    # Named, so that an optimizer group can tell it from the hidden layers.
    x = keras.layers.Dense(
        num_classes, kernel_regularizer=kernel_regularizer, name="logits"
    )(x)
    # 8 bits of mantissa are too few for probabilities near 0 and 1.
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)


def drop(x: Any, rate: float, name: str | None) -> Any:
    """Apply dropout, if the rate isn't 0."""
    rate = checks.fraction("dropout", rate)
    return keras.layers.Dropout(rate, name=place(name, "dropout"))(x) if rate else x


def feature_map(x: Any) -> Any:
    """Return x, or raise `ValueError` unless it is a feature map."""
    if len(getattr(x, "shape", ())) != 4:
        given = getattr(x, "shape", None) or checks.shown(x)
        raise ValueError(
            "The block takes a feature map, a Keras tensor of shape (batch, height, "
            f"width, channels); given: {given}."
        )
    return x


def places(repeats: Sequence[int], widths: Sequence[int]) -> list[tuple[str, int, int]]:
    """Return (name, width, strides) of each block; stages but the first halve the map.

    Example:
        >>> places((1, 2), (16, 32))[1:]
        [('stage2_block1', 32, 2), ('stage2_block2', 32, 1)]
    """
    return [
        (f"stage{stage}_block{block}", width, 2 if stage > 1 and block == 1 else 1)
        for stage, (repeat, width) in enumerate(zip(repeats, widths, strict=True), 1)
        for block in range(1, repeat + 1)
    ]
