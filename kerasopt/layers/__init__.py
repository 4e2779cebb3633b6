"""Layers that make convolutional networks train faster or see more.

`Conv2D` has a bias that learns in bfloat16, too; `FusedBatchNormalization` computes
what Keras's does with one kernel; `Normalization` and `WhiteningConv2D`, a first
convolution that decorrelates its input, are set by `adapt` before training.
`SqueezeExcite` and `SelfAttention2D` are attention for feature maps. `to_keras` turns a
trained model into one of plain Keras layers, which loads without kerasopt.
"""

from kerasopt.layers.attention import SelfAttention2D, SqueezeExcite
from kerasopt.layers.convolution import Conv2D
from kerasopt.layers.fused import FusedBatchNormalization
from kerasopt.layers.normalization import Normalization
from kerasopt.layers.to_keras import to_keras
from kerasopt.layers.whitening import WhiteningConv2D, adapt

__all__ = [
    "Conv2D",
    "FusedBatchNormalization",
    "Normalization",
    "SelfAttention2D",
    "SqueezeExcite",
    "WhiteningConv2D",
    "adapt",
    "to_keras",
]
