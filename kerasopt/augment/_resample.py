"""Bilinear resampling of a batch under affine maps, with SciPy's border rules.

Written in plain TensorFlow operations and compiled by XLA, which fuses them
into one loop over the pixels: several times faster than TensorFlow's
``ImageProjectiveTransformV3`` kernel, whose "wrap" and "constant" borders
aren't SciPy's and which cuts off the fraction of integer images.
"""

from __future__ import annotations

import tensorflow as tf

__all__ = ["resample"]

# Coordinates are computed in float32; this many pixels of rounding error
# around the border still count as inside the image.
_BORDER_TOLERANCE = 1e-4


def resample(
    images: tf.Tensor, matrices: tf.Tensor, fill_mode: str, cval: float
) -> tf.Tensor:
    """Read images at affinely transformed positions.

    Args:
        images: Batch (batch, height, width, channels), any real type.
        matrices: float32 (batch, 8), as `Affine.matrices` returns them.
        fill_mode: ``"nearest"``, ``"reflect"``, ``"constant"`` or ``"wrap"``.
        cval: The value for ``"constant"``.

    Returns:
        A batch of the same shape and type.
    """
    # XLA compiles anew for each shape it meets. The last batch of an epoch may
    # differ in length, but images of ever-changing size would only compile.
    if images.shape[1:].is_fully_defined():
        return _compiled(images, matrices, fill_mode, cval)
    return _resample(images, matrices, fill_mode, cval)


def _resample(
    images: tf.Tensor, matrices: tf.Tensor, fill_mode: str, cval: float
) -> tf.Tensor:
    shape = tf.shape(images)
    height, width = tf.unstack(tf.cast(shape[1:3], tf.float32))
    x, y = _positions(matrices, height, width)
    left, right, weight_x = _neighbours(x, width, fill_mode)
    top, bottom, weight_y = _neighbours(y, height, fill_mode)
    pixels = tf.reshape(images, (shape[0], shape[1] * shape[2], shape[3]))

    def line(row: tf.Tensor) -> tf.Tensor:
        start = row * shape[2]
        one, two = (
            tf.cast(tf.gather(pixels, start + column, batch_dims=1), tf.float32)
            for column in (left, right)
        )
        return one + weight_x[..., None] * (two - one)

    above = line(top)
    result = above + weight_y[..., None] * (line(bottom) - above)
    if fill_mode == "constant":
        inside = tf.logical_and(_is_inside(x, width), _is_inside(y, height))
        result = tf.where(inside[..., None], result, cval)
    if images.dtype.is_integer:
        result = tf.round(result)
    return tf.cast(result, images.dtype)


_compiled = tf.function(_resample, jit_compile=True, autograph=False)


def _positions(
    matrices: tf.Tensor, height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Input column and row of each output pixel, each (batch, height, width)."""
    m = matrices[:, :, None, None]
    x, y = tf.range(width)[None, None, :], tf.range(height)[None, :, None]
    return (
        m[:, 0] * x + m[:, 1] * y + m[:, 2],
        m[:, 3] * x + m[:, 4] * y + m[:, 5],
    )


def _is_inside(position: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    return tf.abs(position - (side - 1) / 2) <= (side - 1) / 2 + _BORDER_TOLERANCE


def _neighbours(
    position: tf.Tensor, side: tf.Tensor, fill_mode: str
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two pixels around a position along one axis, and the second's weight."""
    last = side - 1
    if fill_mode == "reflect":
        position = _reflected(position, side)
    elif fill_mode == "wrap":
        position = tf.where(
            _is_inside(position, side), position, _wrapped(position, last)
        )
    position = tf.clip_by_value(position, 0.0, last)
    lower = tf.floor(position)
    upper = tf.minimum(lower + 1, last)
    return tf.cast(lower, tf.int32), tf.cast(upper, tf.int32), position - lower


def _reflected(position: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Fold about the outer edges of the border pixels: d c b a | a b c d."""
    folded = tf.math.floormod(position + 0.5, 2 * side)
    return tf.minimum(folded, 2 * side - folded) - 0.5


def _wrapped(position: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """Repeat with the period `last`: SciPy lays both border pixels on each other.

    It takes ``0 < p <= last`` for positions before the image and
    ``0 <= p < last`` for those after it.
    """
    period = tf.maximum(last, 1.0)
    return tf.where(
        position < 0,
        period - tf.math.floormod(-position, period),
        tf.math.floormod(position, period),
    )
