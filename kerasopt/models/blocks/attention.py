"""Blocks of attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, layers, names
from kerasopt.models import arguments
from kerasopt.models.blocks.common import drop
from kerasopt.models.style import Style, checked, place

__all__ = [
    "ATTENTIONS",
    "attend",
    "read_attention",
    "self_attention",
    "squeeze_excite",
    "transformer_block",
]

ATTENTIONS = names.Names("attention")
"""What blocks take as ``attention``."""

TRANSFORMER_STYLE = Style(
    activation="gelu", kernel_initializer={"name": "truncated_normal", "stddev": 0.02}
)


@ATTENTIONS.register("squeeze_excite")
def squeeze_excite(x: Any, *, ratio: int = 16, name: str | None = None) -> Any:
    """Scale each channel by what all places say: `kerasopt.layers.SqueezeExcite`.

    The layer's parts become layers of the model.

    Args:
        x: Feature map (batch, height, width, channels).
        ratio: Channels of x for each hidden unit.
        name: The layers' names begin with it.

    Returns:
        A map of the shape of x.

    Raises:
        ValueError: if ratio isn't a positive integer or x is no feature map.

    Example:
        >>> squeeze_excite(keras.Input((8, 8, 64))).shape
        (None, 8, 8, 64)
    """
    return layers.SqueezeExcite(ratio, name=name).expand(x)


@ATTENTIONS.register("self")
def self_attention(
    x: Any,
    *,
    num_heads: int = 4,
    key_dim: int | None = None,
    zero_gain: bool = True,
    name: str | None = None,
) -> Any:
    """Let each place look at all others: `kerasopt.layers.SelfAttention2D`.

    The layer's parts become layers of the model.

    Args:
        x: Feature map (batch, height, width, channels) of at most 256 places.
        num_heads: Number of heads.
        key_dim: Size of a head; by default the channels are shared among the heads.
        zero_gain: Start as the identity, by a gain of 0.
        name: The layers' names begin with it.

    Returns:
        A map of the shape of x.

    Raises:
        ValueError: if an argument is out of its range or the map isn't such a map.

    Example:
        >>> self_attention(keras.Input((8, 8, 64)), num_heads=8).shape
        (None, 8, 8, 64)
    """
    layer = layers.SelfAttention2D(num_heads, key_dim, zero_gain, name=name)
    return layer.expand(x)


def transformer_block(
    x: Any,
    num_heads: int,
    *,
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
    causal: bool = False,
    attention_mask: Any = None,
    style: Style = TRANSFORMER_STYLE,
    name: str | None = None,
) -> Any:
    r"""Apply self-attention and a perceptron to a sequence, each with a shortcut.

    .. math::
        h = x + drop(attention(norm(x))), \quad y = h + drop(W_2 gelu(W_1 norm(h)))

    with Keras's MultiHeadAttention and layer normalisation first (pre-norm). A mask
    that x carries, as from ``Embedding(mask_zero=True)``, is respected and handed on.

    Args:
        x: Sequence (batch, steps, features).
        num_heads: Number of heads; they share the features.
        mlp_ratio: Hidden units of the perceptron for each feature.
        dropout: Drop rate in [0, 1) of what is added to x, and in the perceptron.
        causal: Let each step see itself and earlier ones alone.
        attention_mask: Boolean Keras tensor (batch, steps, steps), where True says
            that the step of the row sees that of the column.
        style: Settings of the layers. Of its arguments these have an effect:
            activation, kernel_initializer, l1, l2 and activity_l1.
        name: The layers' names begin with it.

    Returns:
        A sequence of the shape of x.

    Raises:
        ValueError: if an argument is out of its range, or the features can't be
            shared among the heads.

    Example:
        >>> transformer_block(keras.Input((16, 64)), num_heads=4, dropout=0.1).shape
        (None, 16, 64)

    References:
        Vaswani et al. (2017), https://arxiv.org/abs/1706.03762; normalised first:
        Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """
    style = checked(style)
    features = _features(x, checks.integer("num_heads", num_heads))
    hidden = round(features * checks.positive("mlp_ratio", mlp_ratio))
    dropout = checks.fraction("dropout", dropout)
    kinds = keras.layers
    settings = {**style.kernel_arguments(), "use_bias": True}
    attention = kinds.MultiHeadAttention(
        num_heads, features // num_heads, name=place(name, "attention"), **settings
    )
    norm = kinds.LayerNormalization(epsilon=1e-6, name=place(name, "norm"))(x)
    given: dict[str, Any] = {"use_causal_mask": checks.boolean("causal", causal)}
    if attention_mask is not None:
        given["attention_mask"] = attention_mask
    y = drop(attention(norm, norm, **given), dropout, place(name, "attention"))
    x = kinds.Add(name=place(name, "attention_add"))([x, y])
    y = kinds.LayerNormalization(epsilon=1e-6, name=place(name, "mlp_norm"))(x)
    for part, units in (("mlp", hidden), ("mlp2", features)):
        arguments.check_weights(f"{units} units", y.shape[-1], units)
        settings = {**style.kernel_arguments(), "use_bias": True}
        y = kinds.Dense(units, name=place(name, part), **settings)(y)
        if part == "mlp":
            y = style.activate(y, place(name, part))
        y = drop(y, dropout, place(name, part))
    return kinds.Add(name=place(name, "mlp_add"))([x, y])


def _features(x: Any, num_heads: int) -> int:
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) != 3 or shape[-1] is None:
        given = shape or checks.shown(x)
        raise ValueError(
            "transformer_block takes a sequence, a Keras tensor of shape (batch, "
            f"steps, features); given: {given}."
        )
    if shape[-1] % num_heads:
        raise ValueError(
            f"{shape[-1]} features can't be shared among {num_heads} heads: choose a "
            "number of heads that divides the number of features."
        )
    return shape[-1]


def attend(x: Any, attention: Any, where: str, name: str | None) -> Any:
    """Apply the attention of a block at one of its places, if it belongs there.

    Args:
        x: Feature map.
        attention: What the block was given: None, a name, or a dict with ``name`` and
            the arguments of its function.
        where: The place's attention: ``"self"`` or ``"squeeze_excite"``.
        name: Of the block.
    """
    kind, given = read_attention(attention)
    if kind != where:
        return x
    part = "attention" if kind == "self" else kind
    given = {**given, "x": x, "name": place(name, part)}
    function = ATTENTIONS.factory(kind)
    return names.call(f"attention {kind!r}", function, given, hidden=("x", "name"))


def read_attention(attention: Any) -> tuple[str | None, dict[str, Any]]:
    """Return the name and the arguments of what a block takes as ``attention``.

    Example:
        >>> read_attention({"name": "Squeeze-Excite", "ratio": 8})
        ('squeeze_excite', {'ratio': 8})
    """
    if checks.plain(attention) is None:
        return None, {}
    given: dict[str, Any] = {}
    if isinstance(attention, Mapping):
        attention, given = names.split_spec("attention", attention)
    return ATTENTIONS.canonical(attention), given
