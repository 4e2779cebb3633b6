"""Blocks that add convolutions of their input to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models.blocks.attention import attend
from kerasopt.models.blocks.common import drop, feature_map
from kerasopt.models.style import Style, checked, place

__all__ = ["bottleneck", "residual"]

SHORTCUTS = ("projection", "pad")


def residual(
    x: Any,
    filters: int,
    kernel_size: int = 3,
    *,
    strides: int = 1,
    preactivation: bool = False,
    shortcut: str = "projection",
    attention: str | Mapping[str, Any] | None = None,
    dropout: float = 0.0,
    style: Style | None = None,
    name: str | None = None,
) -> Any:
    """Add two convolutions of x to x: the basic block of ResNets.

    .. math::
        y = activation(x + norm(conv(activation(norm(conv(x))))))

    and with ``preactivation``

    .. math::
        y = x + conv(activation(norm(conv(activation(norm(x))))))

    Args:
        x: Feature map (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Height and width of both kernels, in pixels.
        strides: Step of the first convolution, and of the shortcut.
        preactivation: Normalise and activate before each convolution. What follows the
            last block is then neither normalised nor activated yet.
        shortcut: What x passes where height, width or channels change:
            ``"projection"``, a 1×1 convolution with normalisation (option B of the
            paper), or ``"pad"``, no weights: every second pixel, and zeros for the new
            channels (option A).
        attention: None, ``"squeeze_excite"`` (of the branch, before x is added) or
            ``"self"`` (`kerasopt.layers.SelfAttention2D` before the second
            convolution, for small maps); or a dict with ``name`` and the arguments of
            `squeeze_excite` or `self_attention`.
        dropout: Drop rate in [0, 1) between the convolutions.
        style: Settings of the layers.
        name: The layers' names begin with it.

    Returns:
        (batch, ⌈height / strides⌉, ⌈width / strides⌉, filters).

    Raises:
        ValueError: if an argument is out of its range, x is no feature map, or has
            more channels than ``"pad"`` may add to.

    Example:
        >>> residual(keras.Input((8, 8, 16)), 32, strides=2).shape
        (None, 4, 4, 32)

    References:
        He et al. (2015), https://arxiv.org/abs/1512.03385; with preactivation:
        He et al. (2016), https://arxiv.org/abs/1603.05027; dropout between the
        convolutions: Zagoruyko & Komodakis (2016), https://arxiv.org/abs/1605.07146.
    """
    branch = _Branch(x, filters, strides, preactivation, shortcut, style, name)
    y = branch.convolution(branch.start, filters, kernel_size, "conv", strides=strides)
    y = drop(y, dropout, name)
    y = attend(y, attention, "self", name)
    y = branch.last(y, filters, kernel_size, "conv2")
    return branch.join(attend(y, attention, "squeeze_excite", name))


def bottleneck(
    x: Any,
    filters: int,
    kernel_size: int = 3,
    *,
    expansion: int = 4,
    strides: int = 1,
    strided_kernel: int = 3,
    preactivation: bool = False,
    shortcut: str = "projection",
    attention: str | Mapping[str, Any] | None = None,
    dropout: float = 0.0,
    style: Style | None = None,
    name: str | None = None,
) -> Any:
    """Add a narrow 1×1, 3×3, 1×1 branch of x to x: the block of ResNet-50.

    The first convolution narrows to ``filters`` channels, the last widens to
    ``expansion`` times as many. `inverted_bottleneck` is wide inside instead.

    Args:
        x: Feature map (batch, height, width, channels).
        filters: Channels inside.
        kernel_size: Height and width of the middle kernel, in pixels.
        expansion: Channels of the output for each one inside.
        strides: Step of one of the convolutions, and of the shortcut.
        strided_kernel: The convolution that has the strides: 3, the middle one, as in
            torchvision (ResNet v1.5: about half a percent better on ImageNet), or 1,
            the first one, as in the paper and in `keras.applications.ResNet50`.
        preactivation: As in `residual`; so are the arguments below.
        shortcut: ``"projection"`` or ``"pad"``.
        attention: None, ``"squeeze_excite"``, or ``"self"`` (before the middle
            convolution).
        dropout: Drop rate in [0, 1) before the last convolution.
        style: Settings of the layers.
        name: The layers' names begin with it.

    Returns:
        (batch, ⌈height / strides⌉, ⌈width / strides⌉, filters * expansion).

    Raises:
        ValueError: if an argument is out of its range or x is no feature map.

    Example:
        >>> bottleneck(keras.Input((8, 8, 256)), 64).shape
        (None, 8, 8, 256)

    References:
        He et al. (2015), https://arxiv.org/abs/1512.03385.
    """
    wide = filters * checks.integer("expansion", expansion)
    if checks.integer("strided_kernel", strided_kernel) not in (1, 3):
        raise ValueError(f"strided_kernel must be 1 or 3; given: {strided_kernel}.")
    steps = (strides, 1) if strided_kernel == 1 else (1, strides)
    branch = _Branch(x, wide, strides, preactivation, shortcut, style, name)
    y = branch.convolution(branch.start, filters, 1, "conv", strides=steps[0])
    y = attend(y, attention, "self", name)
    y = branch.convolution(y, filters, kernel_size, "conv2", strides=steps[1])
    y = drop(y, dropout, name)
    y = branch.last(y, wide, 1, "conv3")
    return branch.join(attend(y, attention, "squeeze_excite", name))


class _Branch:
    """What residual blocks share: shortcut, order of the layers, and the sum."""

    def __init__(
        self,
        x: Any,
        filters: int,
        strides: int,
        preactivation: bool,
        shortcut: str,
        style: Style | None,
        name: str | None,
    ) -> None:
        self.style, self.name = checked(style), name
        self.preactivation = checks.boolean("preactivation", preactivation)
        checks.choice("shortcut", shortcut, SHORTCUTS)
        self.start = feature_map(x)
        if self.preactivation:
            self.start = self.style.finish(x, name)
        changes = strides > 1 or x.shape[-1] != filters
        self.shortcut = x
        if changes and shortcut == "projection":
            self.shortcut = self.last(self.start, filters, 1, "shortcut", strides)
        elif changes:
            self.shortcut = _padded(self.start, filters, strides, name)

    def convolution(
        self, x: Any, filters: int, size: int, part: str, *, strides: int = 1
    ) -> Any:
        """Apply a convolution that has an activation."""
        return self.style.convolution(
            x,
            filters,
            size,
            strides=strides,
            padding="symmetric",
            name=place(self.name, part),
        )

    def last(self, x: Any, filters: int, size: int, part: str, strides: int = 1) -> Any:
        """Apply a convolution that ends in the sum."""
        given: dict[str, Any] = {"strides": strides, "padding": "symmetric"}
        given["name"] = place(self.name, part)
        if self.preactivation:
            return self.style.kernel(x, filters, size, **given)
        return self.style.convolution(x, filters, size, activate=False, **given)

    def join(self, y: Any) -> Any:
        """Add the branch to the shortcut."""
        y = keras.layers.Add(name=place(self.name, "add"))([self.shortcut, y])
        return y if self.preactivation else self.style.activate(y, self.name)


def _padded(x: Any, filters: int, strides: int, name: str | None) -> Any:
    more = filters - x.shape[-1]
    if more < 0:
        raise ValueError(
            f"shortcut='pad' can't take channels away: {x.shape[-1]} to {filters}; "
            "use shortcut='projection'."
        )
    if strides > 1:
        pick = keras.layers.MaxPooling2D(1, strides, name=place(name, "shortcut"))
        x = pick(x)
    if more:
        # The last two axes, which this format takes for height and width.
        zeros = keras.layers.ZeroPadding2D(
            ((0, 0), (more // 2, more - more // 2)),
            data_format="channels_first",
            name=place(name, "shortcut_channels"),
        )
        x = zeros(x)
    return x
