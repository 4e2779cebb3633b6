"""Vision transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks
from kerasopt.models.registry import register
from kerasopt.models.style import Style

__all__ = ["vit"]

MOST_PATCHES = 4096
"""Attention compares each with each: 4,096 are 64 MiB of scores for a head."""

KERNELS = {"name": "truncated_normal", "stddev": 0.02}
POOLS = ("mean", "token")


@register("vit")
def vit(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    patch_size: int = 4,
    width: int = 128,
    depth: int = 6,
    num_heads: int = 4,
    mlp_ratio: float = 4.0,
    pool: str = "mean",
    activation: str = "gelu",
    kernel_initializer: Any = KERNELS,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
) -> keras.Model:
    """Build a vision transformer that ends in class probabilities.

    Patches → a Dense layer and learned positions (→ Dropout) → ``depth`` of
    `kerasopt.models.blocks.transformer_block` → layer normalisation → pooling → output.
    It has no batch normalisation, so those arguments of the other networks are missing
    here. On few images convolutions learn more: a transformer has to learn what is near
    to what, so give it augmentation and time.

    The bias of the Dense layer ``"patches"`` is one for each position: it holds the
    positions, and the class token as position 0. (The published code adds up three
    vectors where one is enough, so it has 2 · ``width`` parameters more.)

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        patch_size: Height and width of a patch, in pixels; it divides those of the
            image, into at most 4,096 patches.
        width: Features of a patch.
        depth: Number of transformer blocks.
        num_heads: Heads of the attention; they share the features.
        mlp_ratio: Hidden units of a block's perceptron for each feature.
        pool: ``"mean"`` of the patches, or ``"token"``: a class token, an additional
            position without a patch, as in the paper.
        activation: Keras name of the perceptrons' activation.
        kernel_initializer: Of all kernels but the output's, what
            `kerasopt.initializers.get` takes; each layer gets a fresh one.
        dropout: Drop rate in [0, 1) of the patches, of what each block adds, and in the
            perceptrons.
        l1: Factor of ``sum(|w|)`` over the kernels but the output's.
        l2: Factor of ``sum(w ** 2)`` over the kernels but the output's.
        activity_l1: Factor of ``sum(|a|)`` over the perceptrons' activations, a mean
            over the batch.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, the patches don't fit the
            images, or the heads the features.

    Example:
        >>> model = vit(input_shape=(32, 32, 3), num_classes=10)
        >>> model.get_layer("patches").output.shape, model.count_params()
        ((None, 64, 128), 1205514)

        ViT-Ti/16, whose paper has 5.7 million parameters:

        >>> model = vit(input_shape=(224, 224, 3), num_classes=1000, patch_size=16,
        ...             width=192, depth=12, num_heads=3, pool="token")
        >>> model.count_params()
        5717032

    References:
        Dosovitskiy et al. (2020), https://arxiv.org/abs/2010.11929; ViT-Ti and ViT-S:
        Touvron et al. (2020), https://arxiv.org/abs/2012.12877.
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=False,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    shape = arguments.image_shape(input_shape)
    size = checks.integer("patch_size", patch_size)
    _check_patches(shape, size)
    width = checks.integer("width", width)
    depth = checks.integer("depth", depth, most=arguments.MOST_LAYERS)
    checks.choice("pool", pool, POOLS)
    rate = checks.fraction("dropout", dropout)

    inputs = keras.Input(shape, name="images")
    x = _embedded(inputs, size, width, pool == "token", style)
    if rate:
        x = keras.layers.Dropout(rate, name="patches_dropout")(x)
    for number in range(1, depth + 1):
        x = blocks.transformer_block(
            x,
            num_heads,
            mlp_ratio=mlp_ratio,
            dropout=rate,
            style=style,
            name=f"block{number}",
        )
    x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    if pool == "token":
        x = keras.layers.Cropping1D((0, x.shape[1] - 1), name="token")(x)
        x = keras.layers.Reshape((width,), name="token_features")(x)
    return keras.Model(inputs, blocks.classifier(x, num_classes), name="vit")


def _embedded(x: Any, size: int, width: int, has_token: bool, style: Style) -> Any:
    """Cut images into patches, row by row, and embed them with their positions."""
    kinds = keras.layers
    rows, columns, channels = x.shape[1] // size, x.shape[2] // size, x.shape[3]
    places, values = rows * columns, size * size * channels
    shape = (rows, size, columns, size, channels)
    x = kinds.Reshape(shape, name="patches_grid")(x)
    x = kinds.Permute((1, 3, 2, 4, 5), name="patches_order")(x)
    x = kinds.Reshape((places, values), name="patches_rows")(x)
    if has_token:
        x = kinds.ZeroPadding1D((1, 0), name="token_place")(x)
        places += 1
    arguments.check_weights(f"width {width}", values, width)
    arguments.check_weights(f"{places} positions", places, width)
    settings = style.kernel_arguments()
    # One plain layer for embedding and positions, so a saved model needs only Keras.
    embed = kinds.EinsumDense(
        "bpv,vf->bpf",
        (places, width),
        bias_axes="pf",
        kernel_initializer=settings["kernel_initializer"],
        kernel_regularizer=settings["kernel_regularizer"],
        bias_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        name="patches",
    )
    return embed(x)


def _check_patches(shape: Sequence[int], size: int) -> None:
    height, width, _ = shape
    if height % size or width % size:
        fitting = [n for n in range(1, 65) if not (height % n or width % n)]
        raise ValueError(
            f"patch_size must divide height and width of the images; given: {size} "
            f"and {height}×{width}. These do: {', '.join(map(str, fitting))}."
        )
    patches = height * width // size**2
    if patches > MOST_PATCHES:
        raise ValueError(
            f"Patches of {size}×{size} cut images of {height}×{width} into "
            f"{patches:,}; at most {MOST_PATCHES:,} are accepted. Use larger patches "
            "or smaller images."
        )
