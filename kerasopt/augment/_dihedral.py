"""Flips and rotations by right angles: the symmetries of pictures without an up."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from kerasopt.augment._ranges import checked_images
from kerasopt.augment._seeds import pair_of

__all__ = ["Dihedral", "dihedral"]


@dataclasses.dataclass(frozen=True)
class Dihedral:
    """One of the eight symmetries of the square for each image, drawn at random.

    The four rotations by right angles, each with and without a reflection. Pixels are
    moved, never computed with. For images without an up and a left: satellite and
    aerial images, microscopy, tissue. Images that aren't square keep their shape, so
    each gets one of four: itself, a flip, or a rotation by 180°.

    Example:
        >>> import numpy as np
        >>> image = np.arange(4, dtype="uint8").reshape(1, 2, 2, 1)
        >>> Dihedral()(image, seed=1).numpy()[0, :, :, 0].tolist()
        [[1, 0], [3, 2]]

    References:
        - [Cohen and Welling, 2016](https://arxiv.org/abs/1602.07576), section 4.2: the
          group p4m.
    """

    def __call__(self, images: Any, seed: Any) -> tf.Tensor:
        """Return the turned images: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """
        images = checked_images("dihedral", images)
        shape = (3, tf.shape(images)[0], 1, 1, 1)
        draws = tf.random.stateless_uniform(shape, pair_of(seed), alg="philox")
        upside_down, mirrored, transposed = tf.unstack(draws < 0.5)
        result = tf.where(upside_down, tf.reverse(images, [1]), images)
        result = tf.where(mirrored, tf.reverse(result, [2]), result)
        height, width = images.shape[1:3]
        if height is not None and width is not None:
            if height == width:
                result = _transposed(result, transposed)
        else:
            result = tf.cond(
                tf.equal(*tf.unstack(tf.shape(images)[1:3])),
                lambda: _transposed(result, transposed),
                lambda: tf.identity(result),
            )
        return tf.ensure_shape(result, images.shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object: none."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Dihedral:
        """Build the object that `get_config` described."""
        return cls(**config)


def dihedral() -> Dihedral:
    """Return a `Dihedral`: random flips and rotations by right angles.

    Returns:
        A fresh `Dihedral`.

    Example:
        >>> dihedral()
        Dihedral()

    References:
        - [Cohen and Welling, 2016](https://arxiv.org/abs/1602.07576), section 4.2.
    """
    return Dihedral()


def _transposed(images: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
    return tf.where(which, tf.transpose(images, (0, 2, 1, 3)), images)
