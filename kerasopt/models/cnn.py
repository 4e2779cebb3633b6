"""Plain convolutional network: stages of convolutions, pooling, dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks, names
from kerasopt.models import arguments, blocks
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style, max_pool

__all__ = ["cnn"]

_GLOBAL_POOLING = {
    "average": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


@register("cnn")
def cnn(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    filters: Sequence[int] = (32, 64, 128),
    convolutions_per_stage: int = 1,
    kernel_size: int = 3,
    padding: str = "same",
    pool: int | Sequence[int] = 2,
    pool_first: bool = False,
    global_pool: str | None = None,
    dense: Sequence[int] = (128,),
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = False,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float | Sequence[float] = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
) -> keras.Model:
    """Build a convolutional network that ends in class probabilities.

    Each stage is its convolutions (Conv2D → activation (→ BatchNormalization))
    and then, where it pools, MaxPooling2D (→ Dropout). After the last stage the
    feature map is flattened or globally pooled, and dense layers (→ Dropout)
    lead to the output.

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        filters: Filters of each stage's convolutions.
        convolutions_per_stage: How many convolutions a stage has.
        kernel_size: Height and width of the kernels, in pixels.
        padding: ``"same"`` or ``"valid"``.
        pool: Pooling size between the stages, or one size a stage where 1 means
            none. A single size leaves the last stage unpooled.
        pool_first: Pool right after a stage's first convolution, before its
            activation and batch normalisation, instead of at the stage's end.
            Element-wise work then falls to a quarter, and the stage's further
            convolutions see the small map.
        global_pool: None (flatten), ``"average"`` or ``"max"``.
        dense: Width of each dense layer before the output; may be empty.
        activation: Keras name of the hidden activation.
        kernel_initializer: What `kerasopt.initializers.get` takes; each layer
            gets a fresh one. The output layer keeps Keras's default.
        batch_norm: False, True (= ``"after_activation"``) or
            ``"before_activation"``, where the layers have no bias.
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). 0.9 by default: with Keras's 0.99 predictions lag
            behind the weights in trainings of few steps.
        dropout: Drop rate in [0, 1) after every pooled stage and every dense
            layer, or one for each of these places in order.
        l1: Factor of ``sum(|w|)`` over the hidden kernels.
        l2: Factor of ``sum(w ** 2)`` over the hidden kernels.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean
            over the batch.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, or the images are too
            small for the stages.

    Example:
        >>> model = cnn(input_shape=(32, 32, 3), num_classes=10, padding="valid",
        ...             batch_norm=True, dropout=(0.25, 0.25, 0.5))
        >>> model.count_params()
        358218
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
    shape = arguments.image_shape(input_shape)
    _check_choice("padding", padding, ("same", "valid"))
    _check_choice("global_pool", global_pool, (None, *_GLOBAL_POOLING))
    filters = arguments.positive_integers("filters", filters)
    if not filters:
        raise ValueError("filters must name at least one stage; given: none.")
    pool_first = checks.boolean("pool_first", pool_first)
    dense = arguments.positive_integers("dense", dense)
    depth = checks.integer(
        "convolutions_per_stage", convolutions_per_stage, most=arguments.MOST_LAYERS
    )
    size = checks.integer("kernel_size", kernel_size)
    pools = _pool_sizes(pool, len(filters))
    places = [f"pooled stage {i + 1}" for i, p in enumerate(pools) if p > 1]
    places += [f"dense {i + 1}" for i in range(len(dense))]
    drop_rates = iter(arguments.rates("dropout", dropout, places))

    def drop(x: Any) -> Any:
        rate = next(drop_rates)
        return keras.layers.Dropout(rate)(x) if rate else x

    inputs = keras.Input(shape)
    x = inputs
    for width, pool_size in zip(filters, pools, strict=True):
        for i in range(depth):
            pool_here = pool_size > 1 and pool_first and i == 0
            x = style.convolution(
                x, width, size, padding=padding, pool=pool_size if pool_here else 1
            )
        if pool_size > 1:
            x = drop(x if pool_first else max_pool(x, pool_size))
    flatten = _GLOBAL_POOLING[global_pool] if global_pool else keras.layers.Flatten
    x = flatten()(x)
    for width in dense:
        x = drop(style.dense(x, width))
    return keras.Model(inputs, blocks.classifier(x, num_classes), name="cnn")


def _pool_sizes(pool: Any, stages: int) -> tuple[int, ...]:
    pool = checks.plain(pool)
    if not isinstance(pool, list | tuple):
        return arguments.positive_integers("pool", (pool,) * (stages - 1) + (1,))
    places = [f"stage {i + 1}" for i in range(stages)]
    return arguments.positive_integers(
        "pool", arguments.per_place("pool", pool, places)
    )


def _check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if checks.plain(value) not in list(choices):
        accepted = [str(choice) for choice in choices]
        raise names.unknown(name, value, accepted)
