"""The cells of `kerasopt.models.stages`: blocks of convolutions, and attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks, layers, names
from kerasopt.models import blocks

__all__ = ["ATTENTIONS", "BLOCKS", "MOST_PLACES", "CellStyle", "Stage", "read_stages"]

BLOCKS = names.Names("block")
"""Each takes (style, x, stage, name) and returns the cell's output."""

ATTENTIONS = ("self", "squeeze_excite")

MOST_PLACES = 256
"""Largest map, in pixels, that self-attention takes: its scores are their square."""

HEADS = 4
SQUEEZE = 8
LEAST_SQUEEZED = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the network, checked; `kerasopt.models.stages` explains it."""

    depth: int
    width: int
    kernel_size: int
    block: str
    attention: str | None


def read_stages(given: Any) -> list[Stage]:
    """Return the stages with what they leave out filled in.

    Args:
        given: A sequence of mappings, as `kerasopt.models.stages` takes them.

    Raises:
        ValueError: if there is none, or one has an unknown key or a bad value.

    Example:
        >>> read_stages([{"width": 8}])[0].kernel_size
        3
    """
    given = checks.plain(given)
    is_listed = isinstance(given, Sequence) and not isinstance(given, str)
    if not is_listed or not given or not all(isinstance(s, Mapping) for s in given):
        raise ValueError(
            "stages must be a list of at least one mapping, such as "
            f"[{{'depth': 1, 'width': 32}}]; given: {checks.shown(given)}."
        )
    if len(given) > blocks.MOST_LAYERS:
        raise ValueError(
            f"stages must be at most {blocks.MOST_LAYERS}; given: {len(given)}."
        )
    found = []
    for number, stage in enumerate(given, start=1):
        try:
            found.append(names.call("a stage", _read, stage))
        except ValueError as error:
            raise ValueError(f"Stage {number}: {error}") from None
    return found


def _read(
    *,
    depth: int = 1,
    width: int = 32,
    kernel_size: int = 3,
    block: str = "plain",
    attention: bool | str | None = False,
) -> Stage:
    attention = checks.plain(attention)
    if isinstance(attention, str):
        attention = names.normalize(attention)
    is_off = attention is None or attention is False
    if not is_off and attention not in list(ATTENTIONS):
        raise names.unknown("attention", attention, ["False", *ATTENTIONS])
    return Stage(
        depth=checks.integer("depth", depth, most=blocks.MOST_LAYERS),
        width=checks.integer("width", width),
        kernel_size=checks.integer("kernel_size", kernel_size),
        block=BLOCKS.canonical(block),
        attention=str(attention) if attention else None,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellStyle(blocks.Style):
    """Settings that all cells share, and the layers that follow from them.

    Every layer gets a name that says its place, so that another network's layer at
    the same place has the same one.
    """

    l1: float = 0.0
    activity_l1: float = 0.0
    expansion: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("expansion", checks.integer("expansion", self.expansion))

    def cell(self, x: Any, stage: Stage, name: str) -> Any:
        """Apply one cell of a stage; its layers' names begin with ``name``."""
        return BLOCKS.factory(stage.block)(self, x, stage, name)

    def convolution(
        self, x: Any, filters: int, size: int, name: str, *, activate: bool = True
    ) -> Any:
        """Apply a convolution with batch normalisation and activation."""
        blocks.check_weights(f"{filters} filters", size, size, x.shape[-1], filters)
        arguments = self._kernel_arguments()
        if not activate and self.batch_norm:
            arguments["use_bias"] = False  # The normalisation has one.
        layer = layers.Conv2D(filters, size, padding="same", name=name, **arguments)
        return self.finish(layer(x), name, activate=activate)

    def depthwise(self, x: Any, size: int, name: str) -> Any:
        """Convolve each channel by itself, without a bias."""
        blocks.check_weights(f"kernel_size {size}", size, size, x.shape[-1])
        arguments = self._kernel_arguments()
        layer = keras.layers.DepthwiseConv2D(
            size,
            padding="same",
            use_bias=False,
            depthwise_initializer=_by_channel(arguments["kernel_initializer"]),
            depthwise_regularizer=arguments["kernel_regularizer"],
            name=name,
        )
        return layer(x)

    def finish(self, x: Any, name: str, *, activate: bool = True) -> Any:
        """Apply batch normalisation and activation, in the order of the style."""
        if not activate:
            return self._norm(x, name) if self.batch_norm else x
        if self.batch_norm == "before_activation":
            return self.activate(self._norm(x, name), name)
        x = self.activate(x, name)
        return self._norm(x, name) if self.batch_norm else x

    def activate(self, x: Any, name: str) -> Any:
        """Apply the activation."""
        return keras.layers.Activation(self.activation, name=f"{name}_activation")(x)

    def _norm(self, x: Any, name: str) -> Any:
        layer = layers.FusedBatchNormalization(
            momentum=self.batch_norm_momentum, name=f"{name}_norm"
        )
        return layer(x)


def _by_channel(
    initializer: keras.initializers.Initializer,
) -> keras.initializers.Initializer:
    """Return an initializer's like for kernels of one channel each.

    Keras takes all channels of a depthwise kernel for its inputs, and so draws it too
    small by the root of their number. Its outputs are counted right: height × width,
    which is the number of inputs as well.
    """
    if not isinstance(initializer, keras.initializers.VarianceScaling):
        return initializer
    return keras.initializers.VarianceScaling(
        initializer.scale, "fan_out", initializer.distribution
    )


# Blocks.


@BLOCKS.register("plain")
def _plain(style: CellStyle, x: Any, stage: Stage, name: str) -> Any:
    x = style.convolution(x, stage.width, stage.kernel_size, f"{name}_conv")
    return _attend(_scale(x, stage, name), stage, name)


@BLOCKS.register("residual")
def _residual(style: CellStyle, x: Any, stage: Stage, name: str) -> Any:
    size = stage.kernel_size
    branch = style.convolution(x, stage.width, size, f"{name}_conv")
    branch = style.convolution(
        branch, stage.width, size, f"{name}_conv2", activate=False
    )
    branch = _scale(branch, stage, name)
    if x.shape[-1] != stage.width:
        x = style.convolution(x, stage.width, 1, f"{name}_shortcut", activate=False)
    x = style.activate(keras.layers.Add(name=f"{name}_add")([x, branch]), name)
    return _attend(x, stage, name)


@BLOCKS.register("separable")
def _separable(style: CellStyle, x: Any, stage: Stage, name: str) -> Any:
    x = style.depthwise(x, stage.kernel_size, f"{name}_depthwise")
    x = style.convolution(x, stage.width, 1, f"{name}_pointwise")
    return _attend(_scale(x, stage, name), stage, name)


@BLOCKS.register("bottleneck", aliases=("inverted_bottleneck", "mbconv"))
def _bottleneck(style: CellStyle, x: Any, stage: Stage, name: str) -> Any:
    inside = x.shape[-1] * style.expansion
    branch = style.convolution(x, inside, 1, f"{name}_expand")
    branch = style.depthwise(branch, stage.kernel_size, f"{name}_depthwise")
    branch = style.finish(branch, f"{name}_depthwise")
    branch = style.convolution(
        branch, stage.width, 1, f"{name}_project", activate=False
    )
    branch = _scale(branch, stage, name)
    if x.shape[-1] == stage.width:
        branch = keras.layers.Add(name=f"{name}_add")([x, branch])
    return _attend(branch, stage, name)


# Attention.


def _scale(x: Any, stage: Stage, name: str) -> Any:
    """Scale the channels of a branch by what all its places say (Hu et al.)."""
    if stage.attention != "squeeze_excite":
        return x
    name = f"{name}_squeeze_excite"
    channels = x.shape[-1]
    squeezed = max(LEAST_SQUEEZED, channels // SQUEEZE)
    gates = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    gates = keras.layers.Dense(squeezed, "relu", name=f"{name}_reduce")(gates)
    gates = keras.layers.Dense(channels, "sigmoid", name=f"{name}_expand")(gates)
    gates = keras.layers.Reshape((1, 1, channels), name=f"{name}_gates")(gates)
    return keras.layers.Multiply(name=f"{name}_scale")([x, gates])


def _attend(x: Any, stage: Stage, name: str) -> Any:
    """Let every place of a cell's output look at all others."""
    if stage.attention != "self":
        return x
    name = f"{name}_attention"
    height, width, channels = x.shape[1:]
    places = height * width
    if places > MOST_PLACES:
        raise ValueError(
            f"Self-attention is for maps of at most {MOST_PLACES} places, since it "
            f"compares each with each; given at {name!r}: {height}×{width}. Give it "
            "to a later stage alone."
        )
    rows = keras.layers.Reshape((places, channels), name=f"{name}_rows")(x)
    # Over a place's own channels, so it needs no statistics and no batch.
    norm = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")(rows)
    layer = keras.layers.MultiHeadAttention(HEADS, max(1, channels // HEADS), name=name)
    rows = keras.layers.Add(name=f"{name}_add")([rows, layer(norm, norm)])
    return keras.layers.Reshape((height, width, channels), name=f"{name}_map")(rows)
