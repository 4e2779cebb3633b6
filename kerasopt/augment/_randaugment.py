"""RandAugment: a few operations for each image, all of the same strength."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from numbers import Integral
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from kerasopt.augment import _settings
from kerasopt.augment._ranges import checked_images, on_pixels
from kerasopt.augment._seeds import fold, following, made_once

__all__ = ["RandAugment", "randaugment"]

MOST_MAGNITUDE = 30
"""The strongest, as in the paper's tables of ImageNet and in torchvision."""

Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class RandAugment:
    r"""A few random operations for each image, each up to a given strength.

    Each image draws `num_ops` of these with equal chances, one after the other:

    ===============  =================================================================
    operation        largest strength, at magnitude 30
    ===============  =================================================================
    identity
    shear x, y       0.3 (tangent of the angle), either way
    translate x, y   45 % of the side, either way
    rotate           30°, either way
    brightness       90 % of the range, added or taken off
    colour           90 % of the way to grey (three channels alone)
    contrast         factor from 0.1 to 1.9
    sharpness        factor from 0.1 to 1.9
    posterize        4 bits are left
    solarize         all values are inverted
    auto contrast
    equalize
    ===============  =================================================================

    Strengths are uniform up to that share of the largest; bits are fixed.

    Keras's layers change the pixels. `keras.layers.RandAugment` itself draws the
    operations once for a whole batch, computes all of them, and turns by up to 180° at
    its default strength.

    Args:
        num_ops: Operations for each image, at least 1.
        magnitude: Strength, from 0 to 30.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> RandAugment()(tf.zeros((2, 8, 8, 3), tf.uint8), seed=0).shape
        TensorShape([2, 8, 8, 3])

    References:
        - [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719)
    """

    num_ops: int = 2
    _: dataclasses.KW_ONLY
    magnitude: float = 9.0

    def __post_init__(self) -> None:
        given = self.num_ops
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise ValueError(
                f"num_ops={given!r} is not accepted; give a whole number of at least 1."
            )
        object.__setattr__(self, "num_ops", int(given))
        magnitude = _settings.number("magnitude", self.magnitude)
        if magnitude > MOST_MAGNITUDE:
            raise ValueError(
                f"magnitude={self.magnitude!r} is not accepted; give a number from 0 "
                f"to {MOST_MAGNITUDE}."
            )
        object.__setattr__(self, "magnitude", magnitude)

    def __call__(self, images: Any, seed: Any, *, value_range: Any = None) -> tf.Tensor:
        """Return the changed images: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.
            value_range: Lowest and highest value. By default (0, 255) for integers and
                (0, 1) for floats.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """
        images = checked_images("randaugment", images)
        operations = self._operations[images.shape[-1] != 3 :]

        def changed(pixels: tf.Tensor) -> tf.Tensor:
            for number in range(self.num_ops):
                pixels = _one_each(operations, pixels, fold(seed, number))
            return pixels

        return on_pixels(changed, images, value_range)

    @functools.cached_property
    def _operations(self) -> list[Operation]:
        with made_once():
            return _operations(self.magnitude / MOST_MAGNITUDE)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandAugment:
        """Build the object that `get_config` described."""
        return cls(**config)


def randaugment(num_ops: int = 2, *, magnitude: float = 9.0) -> RandAugment:
    """Return a `RandAugment`: a few random operations for each image.

    Args:
        num_ops: Operations for each image, at least 1.
        magnitude: Strength, from 0 to 30.

    Returns:
        A fresh `RandAugment`.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> randaugment(magnitude=5)
        RandAugment(num_ops=2, magnitude=5.0)

    References:
        - [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719)
    """
    return RandAugment(num_ops, magnitude=magnitude)


def _one_each(
    operations: list[Operation], pixels: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Apply to each image one operation, drawn at random, and no other."""
    count = tf.shape(pixels)[0]
    drawn = tf.random.stateless_uniform(
        (count,), seed, maxval=len(operations), dtype=tf.int32
    )
    rows = tf.dynamic_partition(tf.range(count), drawn, len(operations))
    parts = tf.dynamic_partition(pixels, drawn, len(operations))
    for number, operation in enumerate(operations):
        part, own = parts[number], fold(seed, number + 1)

        def changed(
            operation: Operation = operation,
            part: tf.Tensor = part,
            own: tf.Tensor = own,
        ) -> tf.Tensor:
            result = tf.cast(operation(part, own), tf.float32)
            return tf.clip_by_value(tf.ensure_shape(result, part.shape), 0.0, 255.0)

        # Some of Keras's layers fail on no images.
        parts[number] = tf.cond(
            tf.size(part) > 0, changed, lambda part=part: tf.identity(part)
        )
    return tf.ensure_shape(tf.dynamic_stitch(rows, parts), pixels.shape)


def _operations(strength: float) -> list[Operation]:
    """Return the operations at a share of their largest strength, on 0..255.

    The first one needs three channels.
    """
    tone, sharp = 0.9 * strength, 0.45 * strength
    made: list[keras.layers.Layer] = [
        layers.RandomColorDegeneration(tone, dtype="float32"),
        layers.RandomShear(0.3 * strength, 0.0, dtype="float32"),
        layers.RandomShear(0.0, 0.3 * strength, dtype="float32"),
        layers.RandomTranslation(0.0, 0.45 * strength, dtype="float32"),
        layers.RandomTranslation(0.45 * strength, 0.0, dtype="float32"),
        layers.RandomRotation(30 / 360 * strength, dtype="float32"),
        layers.RandomBrightness(tone, dtype="float32"),
        layers.RandomContrast(tone, dtype="float32"),
        # Keras's factor of 0.5 is the picture as it is.
        layers.RandomSharpness((0.5 - sharp, 0.5 + sharp), dtype="float32"),
        layers.AutoContrast(dtype="float32"),
        layers.Equalization(dtype="float32"),
    ]
    bits = 8 - round(4 * strength)
    if bits < 8:
        made.append(layers.RandomPosterization((bits, bits), dtype="float32"))
    return [*map(_called, made), _solarize(strength), lambda pixels, seed: pixels]


def _called(layer: keras.layers.Layer) -> Operation:
    def call(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with following(layer, seed):
            return layer(pixels, training=True)

    return call


def _solarize(strength: float) -> Operation:
    """Return the inversion of all values above a threshold."""
    layer = layers.Solarization(dtype="float32")

    def call(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = (tf.shape(pixels)[0], 1, 1, 1)
        drawn = tf.random.stateless_uniform(shape, seed)
        # Keras draws thresholds from 0 on, the strongest; ours come from the other end.
        how = {
            "additions": tf.zeros(shape),
            "thresholds": 256.0 * (1.0 - strength * drawn),
        }
        return layer.transform_images(pixels, how)

    return call
