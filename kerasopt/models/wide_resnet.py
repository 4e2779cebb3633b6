"""Wide residual networks: fewer layers than ResNets of their size, more channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks
from kerasopt.models.registry import register
from kerasopt.models.resnet import DEEPEST, EPSILON, apply_stages
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["wide_resnet"]

STEM = 16
WIDTHS = (16, 32, 64)


@register("wide_resnet")
def wide_resnet(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    depth: int = 16,
    width: int = 4,
    attention: str | Mapping[str, Any] | None = None,
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = "before_activation",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
    any_size: bool = False,
) -> keras.Model:
    """Build a wide residual network, WRN-``depth``-``width``, for small images.

    3×3 convolution of 16 filters → three stages of n = (depth - 4) / 6 preactivation
    blocks (`kerasopt.models.blocks.residual`), 16, 32 and 64 times ``width`` wide, of
    which the last two halve the map → normalisation, activation, global average
    pooling → output. The paper trains it faster than deep networks of as many
    parameters, since it does its work in fewer, larger products.

    Args:
        input_shape: (height, width, channels); 4×4 pixels or more.
        num_classes: Number of classes, at least 2.
        depth: 6n + 4, such as 10, 16, 22, 28 or 40: layers with weights, as the paper
            counts them.
        width: Factor of the filters.
        attention: None, ``"squeeze_excite"`` in every block, or ``"self"`` before the
            second convolution of the last one, as in `kerasopt.models.resnet`.
        activation: Keras name of the hidden activation.
        kernel_initializer: Of the convolutions, what `kerasopt.initializers.get`
            takes; each layer gets a fresh one. The output layer keeps Keras's default.
        batch_norm: False, ``"before_activation"``, where the layers have no bias, or
            True (= ``"after_activation"``).
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). Less than Keras's 0.99, for trainings of few steps.
        dropout: Drop rate in [0, 1) between the two convolutions of each block. The
            paper's is 0.3.
        l1: Factor of ``sum(|w|)`` over the kernels of the convolutions.
        l2: Factor of ``sum(w ** 2)`` over the kernels of the convolutions. The paper's
            weight decay of 5e-4 is ``l2=2.5e-4`` in SGD.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean over
            the batch.
        any_size: Leave height and width open, for trainings that begin on smaller
            images.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, the depth isn't 6n + 4, or the
            images are too small, or too large for self-attention.

    Example:
        >>> model = wide_resnet(input_shape=(32, 32, 3), num_classes=10)
        >>> sum(weight.shape.num_elements() for weight in model.trainable_weights)
        2748890

    References:
        Zagoruyko & Komodakis (2016), https://arxiv.org/abs/1605.07146.
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=EPSILON,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    depth = checks.integer("depth", depth, most=DEEPEST)
    if depth < 10 or depth % 6 != 4:
        raise ValueError(
            f"depth must be 6n + 4, such as 10, 16, 22, 28 or 40; given: {depth}."
        )
    width = checks.integer("width", width)
    repeats = ((depth - 4) // 6,) * len(WIDTHS)
    shape = arguments.image_shape(input_shape)
    arguments.check_shrinking(f"WRN-{depth}-{width}", shape, 2 ** (len(WIDTHS) - 1))

    inputs = arguments.image_input(shape, any_size)
    x = style.kernel(inputs, STEM, 3, name="stem")
    x = apply_stages(
        x,
        blocks.residual,
        repeats,
        [width * each for each in WIDTHS],
        attention=attention,
        preactivation=True,
        dropout=dropout,
        style=style,
    )
    outputs = blocks.classifier(style.finish(x, "last"), num_classes)
    return keras.Model(inputs, outputs, name="wide_resnet")
