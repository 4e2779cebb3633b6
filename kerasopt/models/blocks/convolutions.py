"""Blocks of convolutions in a row."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import checks
from kerasopt.models.blocks import attention
from kerasopt.models.blocks.common import feature_map
from kerasopt.models.style import Style, checked, place

__all__ = ["convmixer", "convolution", "inverted_bottleneck", "separable"]

MIXER_STYLE = Style(activation="gelu", batch_norm="after_activation")


def convolution(
    x: Any,
    filters: int,
    kernel_size: int = 3,
    *,
    strides: int = 1,
    padding: str = "same",
    pool: int = 1,
    style: Style | None = None,
    name: str | None = None,
) -> Any:
    """Apply Conv2D, batch normalisation and activation.

    Args:
        x: Feature map (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Height and width of the kernel, in pixels.
        strides: Step of the kernel, in pixels.
        padding: ``"same"``, ``"valid"``, or ``"symmetric"``: half a kernel of zeros on
            all four sides.
        pool: Max-pooling by this size right after the convolution; 1 is none.
        style: Settings of the layers.
        name: Of the convolution; the other layers' names begin with it.

    Returns:
        (batch, height / strides / pool, width / strides / pool, filters).

    Raises:
        ValueError: if an argument is out of its range or x is no feature map.

    Example:
        >>> convolution(keras.Input((32, 32, 3)), 16, strides=2).shape
        (None, 16, 16, 16)
    """
    return checked(style).convolution(
        feature_map(x),
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        pool=pool,
        name=name,
    )


def separable(
    x: Any,
    filters: int,
    kernel_size: int = 3,
    *,
    strides: int = 1,
    finish_depthwise: bool = False,
    style: Style | None = None,
    name: str | None = None,
) -> Any:
    """Convolve each channel by itself, then all of them by a 1×1 convolution.

    For k×k kernels this takes about 1 / k² of a convolution's weights and time.

    Args:
        x: Feature map (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Height and width of the depthwise kernel, in pixels.
        strides: Its step.
        finish_depthwise: Normalise and activate between the two convolutions, as
            MobileNet does.
        style: Settings of the layers.
        name: The layers' names begin with it.

    Returns:
        (batch, ⌈height / strides⌉, ⌈width / strides⌉, filters).

    Raises:
        ValueError: if an argument is out of its range or x is no feature map.

    Example:
        >>> separable(keras.Input((8, 8, 16)), 32, strides=2).shape
        (None, 4, 4, 32)

    References:
        Chollet (2016), https://arxiv.org/abs/1610.02357. With ``finish_depthwise``:
        Howard et al. (2017), https://arxiv.org/abs/1704.04861.
    """
    style = checked(style)
    part = place(name, "depthwise")
    x = style.depthwise(feature_map(x), kernel_size, strides=strides, name=part)
    if checks.boolean("finish_depthwise", finish_depthwise):
        x = style.finish(x, part)
    return style.convolution(x, filters, 1, name=place(name, "pointwise"))


def inverted_bottleneck(
    x: Any,
    filters: int,
    kernel_size: int = 3,
    *,
    expansion: int | None = 4,
    strides: int = 1,
    squeeze_excite: int | None = None,
    style: Style | None = None,
    name: str | None = None,
) -> Any:
    """Apply a block that is wide inside: 1×1, depthwise, 1×1 convolutions.

    .. math::
        y = x + project(depthwise(expand(x)))

    x is added where the shape stays; ``project`` has no activation.

    Args:
        x: Feature map (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Height and width of the depthwise kernel, in pixels.
        expansion: Channels inside for each one of x. None leaves ``expand`` out.
        strides: Step of the depthwise kernel.
        squeeze_excite: Ratio of squeeze and excite of the branch, before x is added;
            None for none.
        style: Settings of the layers.
        name: The layers' names begin with it.

    Returns:
        (batch, ⌈height / strides⌉, ⌈width / strides⌉, filters).

    Raises:
        ValueError: if an argument is out of its range or x is no feature map.

    Example:
        >>> inverted_bottleneck(keras.Input((8, 8, 16)), 16, expansion=6).shape
        (None, 8, 8, 16)

    References:
        Sandler et al. (2018), https://arxiv.org/abs/1801.04381.
    """
    style = checked(style)
    branch = feature_map(x)
    if expansion is not None:
        inside = x.shape[-1] * checks.integer("expansion", expansion)
        branch = style.convolution(branch, inside, 1, name=place(name, "expand"))
    part = place(name, "depthwise")
    branch = style.depthwise(branch, kernel_size, strides=strides, name=part)
    branch = style.finish(branch, part)
    branch = style.convolution(
        branch, filters, 1, activate=False, name=place(name, "project")
    )
    if squeeze_excite is not None:
        part = place(name, "squeeze_excite")
        branch = attention.squeeze_excite(branch, ratio=squeeze_excite, name=part)
    if strides > 1 or x.shape[-1] != filters:
        return branch
    return keras.layers.Add(name=place(name, "add"))([x, branch])


def convmixer(
    x: Any,
    kernel_size: int = 9,
    *,
    style: Style = MIXER_STYLE,
    name: str | None = None,
) -> Any:
    r"""Mix the places of each channel, then the channels of each place.

    .. math::
        h = x + norm(gelu(depthwise(x))), \quad y = norm(gelu(conv_{1×1}(h)))

    Args:
        x: Feature map (batch, height, width, channels).
        kernel_size: Height and width of the depthwise kernel, in pixels.
        style: Settings of the layers; by default GELU, and batch normalisation after
            the activation.
        name: The layers' names begin with it.

    Returns:
        A map of the shape of x.

    Raises:
        ValueError: if an argument is out of its range or x is no feature map.

    Example:
        >>> convmixer(keras.Input((8, 8, 16)), 5).shape
        (None, 8, 8, 16)

    References:
        Trockman & Kolter (2022), https://arxiv.org/abs/2201.09792.
    """
    style = checked(style)
    part = place(name, "depthwise")
    use_bias = style.kernel_arguments()["use_bias"]
    y = style.depthwise(feature_map(x), kernel_size, use_bias=use_bias, name=part)
    y = style.finish(y, part)
    x = keras.layers.Add(name=place(name, "add"))([x, y])
    return style.convolution(x, x.shape[-1], 1, name=place(name, "pointwise"))
