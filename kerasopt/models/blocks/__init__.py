"""Blocks to build networks with: functions of Keras tensors.

The factories of `kerasopt.models` and the architecture search are made of these, and
models of your own can be. Each takes a Keras tensor and returns one; settings that all
blocks of a model share are a `kerasopt.models.Style`:

>>> import keras
>>> from kerasopt.models import Style
>>> style = Style(l2=1e-4)
>>> inputs = keras.Input((32, 32, 3))
>>> x = convolution(inputs, 64, style=style)
>>> x = residual(x, 64, style=style)
>>> x = residual(x, 128, strides=2, attention="squeeze_excite", style=style)
>>> keras.Model(inputs, classifier(x, 10)).output_shape
(None, 10)

With ``name`` the layers' names begin with it, so that models can hand weights on
(`kerasopt.models.inherit_weights`) and optimizers can tell layers apart; without it
Keras names them.
"""

from kerasopt.models.blocks.attention import (
    self_attention,
    squeeze_excite,
    transformer_block,
)
from kerasopt.models.blocks.common import classifier
from kerasopt.models.blocks.convolutions import (
    convmixer,
    convolution,
    inverted_bottleneck,
    separable,
)
from kerasopt.models.blocks.residual import bottleneck, residual

__all__ = [
    "bottleneck",
    "classifier",
    "convmixer",
    "convolution",
    "inverted_bottleneck",
    "residual",
    "self_attention",
    "separable",
    "squeeze_excite",
    "transformer_block",
]
