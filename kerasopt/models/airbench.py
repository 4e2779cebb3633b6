"""The network of the fastest CIFAR-10 recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks, initializers, layers
from kerasopt.models import arguments
from kerasopt.models.registry import register

__all__ = ["airbench"]


@register("airbench", renamed=["speed"])
def airbench(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    widths: Sequence[int] = (64, 256, 256),
    convolutions_per_group: int = 2,
    residual: bool = False,
    activation: str = "relu",
    batch_norm_momentum: float = 0.6,
    batch_norm_epsilon: float = 1e-12,
    logit_scale: float = 1 / 9,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    any_size: bool = False,
) -> keras.Model:
    """Build the narrow-headed network that learns CIFAR-10 in few epochs.

    Normalization → whitening 2×2 convolution (`kerasopt.layers.WhiteningConv2D`,
    named ``"whitening"``) → activation → groups of [3×3 convolution → max-pooling
    by 2 → BatchNormalization → activation → 3×3 convolution → BatchNormalization →
    activation] → global max-pooling → Dense without bias × ``logit_scale`` →
    softmax. Convolutions have no bias and start as the identity
    (`kerasopt.initializers`' ``"dirac"``); batch normalisation trains its offset
    (beta) alone. `kerasopt.fit` sets normalization and whitening from the training
    images; elsewhere call ``kerasopt.layers.adapt(model, images)`` first.

    Args:
        input_shape: (height, width, channels); pixels in [0, 1].
        num_classes: Number of classes, at least 2.
        widths: Filters of each group, one group or more.
        convolutions_per_group: Convolutions in a group, 1 or more.
        residual: Add the output of a group's first convolution to that of its
            last; needs three convolutions a group.
        activation: Keras name. On CPU a step takes 5 % longer with SiLU and 15 %
            with GELU than with ReLU, for no gain on validation data.
        batch_norm_momentum: Share of the running statistics that a step keeps.
        batch_norm_epsilon: Added to the variance.
        logit_scale: Factor of the logits: small ones let the label-smoothed loss
            start flat.
        mean: Mean of the pixels, by channel or one number. By default the model adapts
            to the mean and standard deviation of its training images.
        std: Their standard deviation; goes with ``mean``.
        any_size: Leave height and width open, for trainings that begin on smaller
            images.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, or the images are too
            small for the groups.

    Example:
        >>> model = airbench(input_shape=(32, 32, 3), num_classes=10)
        >>> model.count_params()
        1973951

    References:
        Jordan (2024), 94 % on CIFAR-10 in 3.29 seconds on a single GPU,
        https://arxiv.org/abs/2404.00498.
    """
    height, width, channels = arguments.image_shape(input_shape)
    widths = arguments.positive_integers("widths", widths)
    depth = checks.integer(
        "convolutions_per_group", convolutions_per_group, most=arguments.MOST_LAYERS
    )
    residual = checks.boolean("residual", residual)
    any_size = checks.boolean("any_size", any_size)
    _check_groups(widths, depth, residual, min(height, width))
    mean, std = _statistics(channels, mean, std)
    arguments.check_activation(activation)
    norm = {
        "momentum": checks.fraction("batch_norm_momentum", batch_norm_momentum),
        "epsilon": checks.positive("batch_norm_epsilon", batch_norm_epsilon),
    }

    def activate(x: Any) -> Any:
        return keras.layers.Activation(activation)(x)

    def normalize(x: Any, place: str) -> Any:
        name = f"norm_{place}"
        return layers.FusedBatchNormalization(**norm, scale=False, name=name)(x)

    sides = (None, None) if any_size else (height, width)
    inputs = keras.Input((*sides, channels))
    # In float32 at any precision: whitening enlarges the directions of least variance,
    # and bfloat16's rounding with them (to 7 % of the signal on CIFAR-10; so 5 %). The
    # convolution too in float32 would take it away, at 5 to 10 % of the step.
    x = _normalization(mean, std)(inputs)
    x = layers.WhiteningConv2D(kernel_size=2, name="whitening")(x)
    x = activate(x)
    for group, filters in enumerate(widths, start=1):
        # Pooled before anything element-wise, which then costs a quarter.
        x = keras.layers.MaxPooling2D(2)(_convolve(x, filters, f"{group}_1"))
        x = first = activate(normalize(x, f"{group}_1"))
        for i in range(2, depth + 1):
            place = f"{group}_{i}"
            x = normalize(_convolve(x, filters, place), place)
            if residual and i == depth:
                x = keras.layers.Add()([x, first])
            x = activate(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, _head(x, num_classes, logit_scale), name="airbench")


def _normalization(mean: Any, std: Any) -> keras.layers.Layer:
    if mean is None:
        return layers.Normalization(dtype="float32", name="normalization")
    return keras.layers.Normalization(
        mean=mean, variance=[value**2 for value in std], dtype="float32"
    )


def _convolve(x: Any, filters: int, place: str) -> Any:
    arguments.check_weights(f"{filters} filters", 3, 3, x.shape[-1], filters)
    layer = keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=initializers.get("dirac"),
        name=f"conv_{place}",
    )
    return layer(x)


def _head(x: Any, num_classes: int, logit_scale: float) -> Any:
    num_classes = arguments.classes(num_classes)
    arguments.check_weights(f"{num_classes} classes", x.shape[-1], num_classes)
    logit_scale = checks.positive("logit_scale", logit_scale)
    # U(±1 / sqrt(fan_in)). The head is small, so float32 costs nothing here.
    uniform = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    x = keras.layers.Dense(
        num_classes,
        use_bias=False,
        kernel_initializer=uniform,
        dtype="float32",
        name="head",
    )(x)
    x = keras.layers.Rescaling(logit_scale, dtype="float32", name="logits")(x)
    return keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)


def _check_groups(widths: Sequence[int], depth: int, residual: bool, side: int) -> None:
    if not widths:
        raise ValueError("widths must name at least one group; given: none.")
    if residual and depth < 3:
        raise ValueError(f"residual needs convolutions_per_group >= 3; given: {depth}.")
    least = 2 ** len(widths) + 1
    if side < least:
        raise ValueError(
            f"{len(widths)} groups need images of {least}×{least} pixels or more; "
            f"given: {side} on the shorter side. Use fewer widths."
        )


def _statistics(channels: int, mean: Any, std: Any) -> tuple[Any, Any]:
    """Return mean and standard deviation of each channel, or None for both."""
    if (mean is None) != (std is None):
        raise ValueError(
            "mean and std belong together: give both, or neither for those of the "
            f"training images; given: mean={checks.shown(mean)}, "
            f"std={checks.shown(std)}."
        )
    if mean is None:
        return None, None
    places = [f"channel {i}" for i in range(channels)]
    means = arguments.per_place("mean", mean, places)
    deviations = arguments.per_place("std", std, places)
    return (
        [checks.number("mean", value) for value in means],
        [checks.positive("std", value) for value in deviations],
    )
