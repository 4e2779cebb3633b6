"""Attention over the channels and over the places of a feature map."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import checks
from kerasopt.layers.composite import Composite

__all__ = ["MOST_PLACES", "SelfAttention2D", "SqueezeExcite"]

MOST_PLACES = 256
"""Largest map, in pixels, that self-attention takes: its scores are their square."""

LEAST_SQUEEZED = 4


@keras.saving.register_keras_serializable(package="kerasopt")
class SqueezeExcite(Composite):
    r"""Scale each channel of a feature map by what all its places say.

    .. math::
        y = x \, \sigma(W_2 \, relu(W_1 \, mean(x) + b_1) + b_2)

    with the mean over height and width. It consists of Keras's own layers, so
    `kerasopt.layers.to_keras` makes a model with it plain.

    Args:
        ratio: Channels of x for each hidden unit, at least 1; there are four hidden
            units or more. 16 is the paper's.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape:
        (batch, height, width, channels).

    Raises:
        ValueError: if the inputs aren't feature maps of known channels.

    Example:
        >>> layer = SqueezeExcite(ratio=4)
        >>> layer(keras.ops.ones((2, 8, 8, 32))).shape, layer.count_params()
        (TensorShape([2, 8, 8, 32]), 552)

    References:
        Hu et al. (2017), https://arxiv.org/abs/1709.01507.
    """

    def __init__(self, ratio: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio = checks.integer("ratio", ratio)

    def make(self, shape: tuple[int | None, ...]) -> None:
        """Create pooling, the two dense layers, and the product."""
        channels = _channels(self, shape)
        squeezed = max(LEAST_SQUEEZED, channels // self.ratio)
        kinds, name, policy = keras.layers, self.name, {"dtype": self.dtype_policy}
        self.pool = kinds.GlobalAveragePooling2D(name=f"{name}_pool", **policy)
        self.reduce = kinds.Dense(squeezed, "relu", name=f"{name}_reduce", **policy)
        self.excite = kinds.Dense(channels, "sigmoid", name=f"{name}_expand", **policy)
        self.gates = kinds.Reshape((1, 1, channels), name=f"{name}_gates", **policy)
        self.scale = kinds.Multiply(name=f"{name}_scale", **policy)

    def call(self, inputs: Any) -> Any:
        """Return the scaled map, in its shape."""
        gates = self.gates(self.excite(self.reduce(self.pool(inputs))))
        return self.scale([inputs, gates])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable(package="kerasopt")
class SelfAttention2D(Composite):
    r"""Let every place of a feature map look at all others.

    .. math::
        y = x + \gamma \, attention(norm(x))

    with multi-head attention (Keras's MultiHeadAttention) from each place to all
    places and layer normalisation over the channels. The gain γ, one number for each
    channel, starts at 0: a layer that is added to a trained network changes nothing
    until it is trained. It consists of Keras's own layers, so
    `kerasopt.layers.to_keras` makes a model with it plain.

    Scores are the square of the number of places, so maps are limited to 256 places,
    such as 16×16. Place it late in a network.

    Args:
        num_heads: Number of heads.
        key_dim: Size of a head's queries, keys and values. By default the channels are
            shared among the heads.
        zero_gain: Whether there is a gain that starts at 0. Without it γ is 1, and
            the layer starts from the random values of its kernels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape:
        (batch, height, width, channels).

    Raises:
        ValueError: if the inputs aren't feature maps of known size, or have more than
            256 places.

    Example:
        >>> layer = SelfAttention2D(num_heads=2)
        >>> x = keras.random.normal((1, 4, 4, 8), seed=0)
        >>> bool(keras.ops.all(layer(x) == x))
        True

    References:
        Vaswani et al. (2017), https://arxiv.org/abs/1706.03762; over maps, with the
        gain: Zhang et al. (2018), https://arxiv.org/abs/1805.08318.
    """

    def __init__(
        self,
        num_heads: int = 4,
        key_dim: int | None = None,
        zero_gain: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = checks.integer("num_heads", num_heads)
        self.key_dim = None if key_dim is None else checks.integer("key_dim", key_dim)
        self.zero_gain = checks.boolean("zero_gain", zero_gain)

    def make(self, shape: tuple[int | None, ...]) -> None:
        """Create normalisation, attention, gain and sum, and the reshaping."""
        height, width, channels = self._size(shape)
        kinds, name, policy = keras.layers, self.name, {"dtype": self.dtype_policy}
        size = self.key_dim or max(1, channels // self.num_heads)
        rows, full = (height * width, channels), (height, width, channels)
        self.rows = kinds.Reshape(rows, name=f"{name}_rows", **policy)
        # Over a place's own channels, so it needs no statistics and no batch.
        self.norm = kinds.LayerNormalization(
            epsilon=1e-6, name=f"{name}_norm", **policy
        )
        self.attention = kinds.MultiHeadAttention(
            self.num_heads, size, name=name, **policy
        )
        self.gain = None
        if self.zero_gain:
            self.gain = kinds.EinsumDense(
                "bpc,c->bpc",
                (None, channels),
                kernel_initializer="zeros",
                name=f"{name}_gain",
                **policy,
            )
        self.add = kinds.Add(name=f"{name}_add", **policy)
        self.map = kinds.Reshape(full, name=f"{name}_map", **policy)

    def call(self, inputs: Any) -> Any:
        """Return the map with what its places saw, in its shape."""
        rows = self.rows(inputs)
        norm = self.norm(rows)
        seen = self.attention(norm, norm)
        if self.gain is not None:
            seen = self.gain(seen)
        return self.map(self.add([rows, seen]))

    def _size(self, shape: tuple[int | None, ...]) -> tuple[int, int, int]:
        channels = _channels(self, shape)
        height, width = shape[1:3]
        if height is None or width is None:
            raise ValueError(
                f"Self-attention needs maps of known height and width; given at "
                f"{self.name!r}: {shape}. Give the model's Input a full shape."
            )
        if height * width > MOST_PLACES:
            raise ValueError(
                f"Self-attention is for maps of at most {MOST_PLACES} places, since it "
                f"compares each with each; given at {self.name!r}: {height}×{width}. "
                "Give it to a later stage alone."
            )
        return height, width, channels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "zero_gain": self.zero_gain,
        }


def _channels(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> int:
    if len(shape) != 4 or shape[-1] is None:
        raise ValueError(
            f"Layer {layer.name!r} takes feature maps of shape (batch, height, width, "
            f"channels) with a known number of channels; given: {shape}."
        )
    return shape[-1]
