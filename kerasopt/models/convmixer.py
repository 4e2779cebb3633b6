"""ConvMixer: patches, mixed by large depthwise and by 1×1 convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["convmixer"]


@register("convmixer")
def convmixer(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    width: int = 256,
    depth: int = 8,
    kernel_size: int = 5,
    patch_size: int = 2,
    activation: str = "gelu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = "after_activation",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
    any_size: bool = False,
) -> keras.Model:
    """Build a ConvMixer: the image in patches, then equal blocks at one size.

    A convolution with strides of its size makes each patch a vector → activation →
    BatchNormalization → ``depth`` times `kerasopt.models.blocks.convmixer` → global
    average pooling (→ Dropout) → output. The paper's ConvMixer-256/8 for CIFAR-10 is
    the default but for its kernels of 9×9, its ConvMixer-1536/20 for ImageNet
    ``width=1536, depth=20, kernel_size=9, patch_size=7``.

    Layers are named by their place (``"block1_depthwise"``).

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        width: Channels of all blocks.
        depth: Number of blocks.
        kernel_size: Height and width of the depthwise kernels, in patches.
        patch_size: Height and width of a patch, in pixels. Images that patches don't
            fill are padded with zeros.
        activation: Keras name of the hidden activation.
        kernel_initializer: Of the convolutions, what `kerasopt.initializers.get`
            takes; each layer gets a fresh one. The output layer keeps Keras's default.
        batch_norm: False, ``"before_activation"``, where the layers have no bias, or
            True (= ``"after_activation"``), as in the paper.
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). Less than Keras's 0.99, for trainings of few steps.
        dropout: Drop rate in [0, 1) of what is pooled at the end.
        l1: Factor of ``sum(|w|)`` over the kernels of the convolutions.
        l2: Factor of ``sum(w ** 2)`` over the kernels of the convolutions.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean over
            the batch.
        any_size: Leave height and width open, for trainings that begin on smaller
            images.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, or an image is smaller than a
            patch.

    Example:
        >>> convmixer(input_shape=(32, 32, 3), num_classes=10).count_params()
        602890

    References:
        Trockman & Kolter (2022), https://arxiv.org/abs/2201.09792.
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
    width = checks.integer("width", width)
    depth = checks.integer("depth", depth, most=arguments.MOST_LAYERS)
    patch_size = checks.integer("patch_size", patch_size)
    if min(shape[:2]) < patch_size:
        raise ValueError(
            f"Patches of {patch_size}×{patch_size} pixels don't fit images of "
            f"{shape[0]}×{shape[1]}; use a smaller patch_size or larger images."
        )

    inputs = arguments.image_input(shape, any_size)
    x = style.convolution(inputs, width, patch_size, strides=patch_size, name="patches")
    for block in range(1, depth + 1):
        x = blocks.convmixer(x, kernel_size, style=style, name=f"block{block}")
    outputs = blocks.classifier(x, num_classes, dropout=dropout)
    return keras.Model(inputs, outputs, name="convmixer")
